"""A frozen backbone's features: computed once for every photo, kept, and never mixed up.

What the backbone makes of a photo depends on its weights, on the transform and on the photo, so it
is computed once and an epoch costs milliseconds. Training photos are seen in several fixed views
(photos.py), which is the augmentation. Those of train are computed in the job's precision;
those of valid and test in float32, by the network that will be served, so that accuracy measured on
them is the served model's.

One file holds all: features.safetensors, with its `Key` in its header. A file whose key is not the
wanted one is never used as it is: a channel that holds one ends the job, and in the local cache it
has another name. Where only the photos are others, those that both have are not computed again
(reuse.py).
"""

import hashlib
import json
import tarfile
import tempfile
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path, PurePosixPath

import torch

import photo_reader
from serving import architectures, layers, network, preprocess
from serving import weights as weights_code
from serving.network import backbone
from serving.settings import FloatPrecision
from serving.weights import Weights
from training.data.dataset import DataSet
from training.data.folders import SPLITS, Split
from training.errors import JobError
from training.features import photos
from training.features.compute import Frozen, owners, run_pass
from training.features.file import (
    FILE,
    Features,
    Key,
    SplitFeatures,
    read,
    read_key,
    stored_type,
    write,
)
from training.features.reuse import Kept, is_alike
from training.network.backbones import Pretrained
from training.workers import Workers

# The code that makes features of a photo. Its hash is in the key, so a change there, however small
# its effect, never meets features of the code before.
_CODE = (preprocess, weights_code, layers, architectures, network, photos)


def _code() -> list[Path]:
    reader = sorted(Path(str(photo_reader.__file__)).parent.rglob("*.py"))
    return [*reader, *(Path(str(module.__file__)) for module in _CODE)]


def wanted_key(pretrained: Pretrained, precision: FloatPrecision, data_sha256: str) -> Key:
    """The key of features made now, here."""
    transform = asdict(pretrained.entry.preprocess)
    code = hashlib.sha256(b"".join(path.read_bytes() for path in _code())).hexdigest()
    # As it comes back from JSON, where a tuple is a list.
    transform = json.loads(json.dumps(transform))
    return Key(pretrained.name, pretrained.sha256, transform, precision, code, data_sha256)


def from_channel(
    folder: Path, pretrained: Pretrained, views: int, data: DataSet | None
) -> Features:
    """Read the channel `features`; raises JobError if it is of another backbone or other photos.

    The channel holds model.tar.gz of a job run with --features-only, or what was in it. Without
    `data` the photos cannot be compared; the features bring their own labels.
    """
    found = _read_channel(folder)
    data_sha256 = data.hash if data else found.key.data_sha256
    wanted = asdict(wanted_key(pretrained, found.key.precision, data_sha256))
    different = [name for name, value in asdict(found.key).items() if value != wanted[name]]
    if different:
        name = different[0]
        raise JobError(
            f"channel features: not made for this job: its {name} is {getattr(found.key, name)}, "
            f"this job's is {wanted[name]}. Make it anew with --features-only true, or leave the "
            "channel out"
        )
    return _first_views(found, views, "channel features")


def _read_channel(folder: Path) -> Features:
    path, archive = folder / FILE, folder / "model.tar.gz"
    if path.is_file():
        return read(path)
    if archive.is_file():
        return _from_archive(archive)
    raise JobError(f"channel features: {folder} holds neither {FILE} nor model.tar.gz")


def _from_archive(archive: Path) -> Features:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with tarfile.open(archive) as packed:
                # By the path, not the letters: tar -C folder . calls it ./features.safetensors.
                names = {PurePosixPath(name): name for name in packed.getnames()}
                packed.extract(names[PurePosixPath(FILE)], scratch, filter="data")
        except (OSError, tarfile.TarError, EOFError, zlib.error, KeyError) as error:
            raise JobError(
                f"channel features: {archive} is no model.tar.gz of a job that ran with "
                f"--features-only true, or is damaged: {error!r}"
            ) from error
        return read(Path(scratch) / FILE)


def from_photos(
    pretrained: Pretrained,
    data: DataSet,
    precision: FloatPrecision,
    views: int,
    cache: Path,
    workers: Workers,
    earlier: Path | None = None,
) -> Features:
    """Take the features from the local cache, and compute what it lacks.

    `earlier`: a channel `features` made of another data set, whose photos are not computed again.
    Each host has a cache of its own, and reads and writes that one alone. They may differ, where a
    host is new: then what one has goes to the others, and nothing is computed twice.
    Raises JobError when more photos cannot be read than training.features.photos.SKIPPED_AT_MOST.
    """
    key = wanted_key(pretrained, precision, data.hash)
    path = cache / f"{key.digest}.safetensors"
    known = _cached(path, key)
    everywhere = workers.gather(known.views if known else 0)
    if known and min(everywhere) >= views:
        if workers.first:
            print(f"features: found in {path}", flush=True)
        return _first_views(known, views, str(path))
    if min(everywhere) < max(everywhere):
        known = None  # each photo's features are looked for in what the hosts have
    have = known.views if known else 0
    kept = Kept([]) if known else _kept(cache, earlier, key)
    features = _compute(pretrained, data, key, range(have, views), known, kept, workers)
    if workers.first_here:
        write(path, features)
    if workers.first:
        print(f"features: kept in {path}", flush=True)
    return features


def _cached(path: Path, key: Key) -> Features | None:
    if not path.is_file():
        return None
    try:
        found = read(path)
    except JobError as error:
        print(f"features: computed anew, because the cache is damaged: {error}", flush=True)
        return None
    if found.key != key:
        print(f"features: computed anew, because {path} holds others", flush=True)
        return None
    return found


def _kept(cache: Path, earlier: Path | None, key: Key) -> Kept:
    """What earlier data sets left: in the channel, and in the local cache, the newest first."""
    files = sorted(cache.glob("*.safetensors"), key=lambda path: path.stat().st_mtime, reverse=True)
    found = [features for path in files if (features := _alike(path, key))]
    if earlier is not None:
        try:
            features = _read_channel(earlier)
        except JobError as error:
            print(f"features: none of the channel is reused: {error}", flush=True)
        else:
            if is_alike(features.key, key):
                found.insert(0, features)
            else:
                print("features: the channel's were made otherwise, none is reused", flush=True)
    return Kept(found)


def _alike(path: Path, key: Key) -> Features | None:
    """A file of the cache whose features hold for photos of `key`; the header is read first."""
    try:
        return read(path) if is_alike(read_key(path), key) else None
    except JobError as error:
        print(f"features: {path.name} in the cache is not used: {error}", flush=True)
        return None


def _first_views(features: Features, views: int, where: str) -> Features:
    if features.views < views:
        raise JobError(
            f"{where}: holds {features.views} views of each photo, --views is {views}. Make the "
            "features anew with that many, or lower --views"
        )
    train = features.splits["train"]
    shortened = replace(train, views=train.views[:views])
    return replace(features, splits={**features.splits, "train": shortened})


def _compute(
    pretrained: Pretrained,
    data: DataSet,
    key: Key,
    views: Sequence[int],
    known: Features | None,
    kept: Kept,
    workers: Workers,
) -> Features:
    """The given views of train after the known ones; valid and test unless they are known."""
    spec, threads = pretrained.entry.preprocess, photos.cpu_share()
    weights = {name: tensor.numpy() for name, tensor in pretrained.tensors.items()}

    @cache
    def frozen(precision: FloatPrecision) -> Frozen:
        network = backbone(pretrained.name, Weights(weights), spec, threads, precision)
        return Frozen(network, spec)

    splits = dict(known.splits) if known else {}
    started, reused, total = time.monotonic(), 0, 0

    def one_pass(split: Split, precision: FloatPrecision, view: int) -> SplitFeatures:
        nonlocal reused, total
        rows = kept.rows(data, split, view)
        owner = owners(len(data.splits[split]), rows, workers)
        reused += int((owner < workers.count).sum())
        total += len(owner)
        return run_pass(frozen(precision), data, split, view, workers, rows)

    for view in views:
        made = one_pass("train", key.precision, view)
        # As the file will hold them: a run that reads the file trains on what this one trains on.
        made.views.copy_(made.views.to(stored_type(key, "train")))
        if "train" in splits:
            both = torch.cat([splits["train"].views, made.views])
            made = replace(made, views=both)
        splits["train"] = made
    for split in SPLITS[1:]:
        if split not in splits:
            splits[split] = one_pass(split, "float32", 0)
    if workers.first:
        seconds = time.monotonic() - started
        print(
            f"features: {total - reused} computed and {reused} reused in {seconds:.0f} s",
            flush=True,
        )
    return Features(key, data.labels, {split: splits[split] for split in SPLITS})
