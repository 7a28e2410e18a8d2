"""The model package: what is in model.tar.gz, how it is written, and how it is verified.

Unpacked at /opt/ml/model:
    model.safetensors   weights: "backbone.*", "head.*" (breed head), "dog_head.*" (optional)
    manifest.json       everything else that decides a prediction, and where the model comes from
    config.yaml         the Ray Serve application
    code/               serving, photo_reader, and wheels the container's image lacks
"""

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from serving.json_object import JsonObject
from serving.preprocess import PreprocessSpec

SCHEMA = 1
MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"

# What a fit to photos could give at all: beyond it every answer is sure, or none is.
MIN_TEMPERATURE, MAX_TEMPERATURE = 1e-2, 1e2

# Far above any model of these backbones (ResNet50's weights: 0.1 GB), far below what would take a
# container's memory or disk.
MAX_MANIFEST_BYTES = 16 * 2**20
MAX_WEIGHTS_BYTES = 2**30
MAX_UNPACKED_BYTES = 2**31
_CHUNK_BYTES = 2**20


class PackageError(Exception):
    """A model package that must not be served; the message names the file and the mismatch."""


@dataclass(frozen=True)
class DogScore:
    """How "is this a dog?" is read off the second head: the softmax mass on a span of classes.

    The head is the ImageNet classifier that came with the backbone, so it fits every model that
    keeps those features. `first` to `last` (inclusive) are ImageNet-1k's dog breeds. Below
    `threshold` the answer is "no dog".
    """

    classes: int
    first: int
    last: int
    threshold: float

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last < self.classes:
            raise ValueError(f"classes {self.first} to {self.last} do not fit {self.classes}")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold {self.threshold} is not between 0 and 1")


LARGEST_LOGIT, ENERGY = "largest_logit", "energy"
SCORES = (LARGEST_LOGIT, ENERGY)


@dataclass(frozen=True)
class Novelty:
    """How much a photo looks like none of the breeds, by a score of its logits.

    `quantiles` are those of the validation photos' scores, evenly spaced from the least to the
    greatest. A photo's novelty is the share of those photos that have a larger one: 0 to 1. From
    `threshold` on, it is said to show a breed that the model does not know. `score` is one of
    SCORES, see serving.model.familiarity.
    """

    quantiles: tuple[float, ...]
    threshold: float
    score: str = LARGEST_LOGIT  # which is not written: models from before there was another

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise ValueError(f"novelty.score {self.score!r} is not one of {', '.join(SCORES)}")
        if len(self.quantiles) < 2 or any(a > b for a, b in pairwise(self.quantiles)):
            raise ValueError("novelty.quantiles must be two numbers or more, none above the next")
        if not 0 < self.threshold <= 1:
            raise ValueError(f"novelty.threshold {self.threshold} is not above 0 and at most 1")


@dataclass(frozen=True)
class Manifest:
    """What decides a prediction (above) and where the model comes from (`origin`)."""

    name: str
    backbone: str
    labels: tuple[str, ...]
    head: tuple[int, ...]  # layer widths from features to breeds, ReLU between the layers
    preprocess: PreprocessSpec
    dog_score: DogScore | None  # None: the model has no second head and never says "no dog"
    weights_sha256: str
    # Metrics on valid and test with n, hyperparameters, seed, library versions, data-set hash,
    # training job, command: recorded, never read by serving.
    origin: Mapping[str, Any] = field(default_factory=dict)
    # What the logits of the breeds are divided by before the softmax, so that a confidence is the
    # share of such answers that are right (Guo et al., "On calibration of modern neural networks",
    # 2017). It changes no order of breeds. 1, which is not written: not measured.
    temperature: float = 1.0
    novelty: Novelty | None = None  # None, which is not written: not measured

    def __post_init__(self) -> None:
        if not self.labels or any(not label.strip() for label in self.labels):
            raise ValueError("labels must be a list of breeds without blanks")
        if len(set(self.labels)) != len(self.labels):
            twice = sorted({label for label in self.labels if self.labels.count(label) > 1})
            raise ValueError(f"labels hold {', '.join(twice)} more than once")
        if len(self.head) < 2 or min(self.head) < 1:
            raise ValueError("head must list the widths of at least one layer")
        if self.head[-1] != len(self.labels):
            raise ValueError(f"{len(self.labels)} labels for a head of {self.head[-1]} outputs")
        if not MIN_TEMPERATURE <= self.temperature <= MAX_TEMPERATURE:
            raise ValueError(
                f"temperature {self.temperature} is not between {MIN_TEMPERATURE} and "
                f"{MAX_TEMPERATURE}"
            )

    @cached_property
    def version(self) -> str:
        """Hash of all that decides a prediction: two models with one version answer alike."""
        deciding = replace(self, origin={})._members()  # without looking into what may be anything
        content = {k: v for k, v in deciding.items() if k not in ("name", "origin")}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """The text of manifest.json."""
        content = {"schema": SCHEMA, "version": self.version, **self._members()}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    def _members(self) -> dict[str, Any]:
        """Without what was not measured: models from before it was keep their text and version."""
        members = asdict(self)
        if self.temperature == 1:
            del members["temperature"]
        if self.novelty is None:
            del members["novelty"]
        elif self.novelty.score == LARGEST_LOGIT:
            del members["novelty"]["score"]
        return members

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read manifest.json; raises ValueError saying what is wrong with it."""
        content = JsonObject.parse(text)
        schema = content.whole("schema")
        if schema != SCHEMA:
            raise ValueError(f"schema {schema} is not {SCHEMA}, the one this code can read")
        version = content.text("version")
        manifest = cls(
            name=content.text("name"),
            backbone=content.text("backbone"),
            labels=content.texts("labels"),
            head=content.wholes("head"),
            preprocess=_preprocess(content.member("preprocess")),
            dog_score=_dog_score(content.member_or_none("dog_score")),
            weights_sha256=content.text("weights_sha256"),
            origin=content.member("origin").rest(),
            temperature=content.number("temperature") if content.has("temperature") else 1.0,
            novelty=read_novelty(content.member("novelty")) if content.has("novelty") else None,
        )
        content.end()
        if version != manifest.version:
            raise ValueError(f"version is {version}, its content hashes to {manifest.version}")
        return manifest


def _preprocess(content: JsonObject) -> PreprocessSpec:
    mean, std = content.numbers("mean"), content.numbers("std")
    spec = PreprocessSpec(
        resize=content.whole("resize"),
        crop=content.whole("crop"),
        interpolation=content.text("interpolation"),
        mean=cast(tuple[float, float, float], mean),  # it looks whether there are three
        std=cast(tuple[float, float, float], std),
    )
    content.end()
    return spec


def _dog_score(content: JsonObject | None) -> DogScore | None:
    if content is None:
        return None
    score = DogScore(
        classes=content.whole("classes"),
        first=content.whole("first"),
        last=content.whole("last"),
        threshold=content.number("threshold"),
    )
    content.end()
    return score


def read_novelty(content: JsonObject) -> Novelty:
    """The member `novelty`; raises ValueError for what is none."""
    score = content.text("score") if content.has("score") else LARGEST_LOGIT
    novelty = Novelty(content.numbers("quantiles"), content.number("threshold"), score)
    content.end()
    return novelty


def read_package(folder: Path) -> tuple[Manifest, bytes]:
    """An unpacked package's manifest and the bytes of its weights; raises PackageError.

    What is hashed is what is returned: the file is read once.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.from_json(_read(path, MAX_MANIFEST_BYTES).decode())
    except ValueError as error:
        raise PackageError(f"{path}: {error}") from error
    weights = _read(folder / WEIGHTS, MAX_WEIGHTS_BYTES)
    digest = hashlib.sha256(weights).hexdigest()
    if digest != manifest.weights_sha256:
        expected = manifest.weights_sha256
        raise PackageError(f"{folder / WEIGHTS}: sha256 is {digest}, {MANIFEST} says {expected}")
    return manifest, weights


def _read(path: Path, most_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise PackageError(f"{path}: cannot be read: {error.strerror}{_deeper(path)}") from error
    if len(content) > most_bytes:
        raise PackageError(f"{path}: more than {most_bytes} bytes, the most that is read")
    return content


def _deeper(path: Path) -> str:
    """A hint where a file is missing because a folder was packed instead of what is in it."""
    for found in sorted(path.parent.glob(f"*/{path.name}")):
        return f"; there is {found}: pack what is in that folder, not the folder"
    return ""


def write_archive(output: Path, files: Mapping[str, bytes]) -> None:
    """Write files (path in the archive -> bytes) as a tar.gz; same files, same bytes.

    Written beside its final place and moved there, so that a half-written package never has the
    right name.
    """
    buffer = io.BytesIO()
    # Level 6: weights hardly compress, and 9 takes twice the time for 0.1 % less.
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    partial.write_bytes(buffer.getvalue())
    partial.replace(output)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack model.tar.gz into `folder`, and look at its checksum, which stands at its end.

    Raises PackageError for an archive that is not one.
    """
    left = MAX_UNPACKED_BYTES
    try:
        with gzip.open(archive) as unzipped, tarfile.open(fileobj=unzipped, mode="r:") as packed:
            for entry in packed:
                left -= entry.size
                if left < 0:
                    raise PackageError(f"{archive}: holds more than {MAX_UNPACKED_BYTES} bytes")
                packed.extract(entry, folder, filter="data")
            while unzipped.read(_CHUNK_BYTES):  # tarfile stops before the checksum
                pass
    except (OSError, tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise PackageError(f"{archive}: cannot be unpacked: {error}") from error
