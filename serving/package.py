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
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from serving.preprocess import PreprocessSpec

SCHEMA = 1
MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"


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

    @cached_property
    def version(self) -> str:
        """Hash of all that decides a prediction: two models with one version answer alike."""
        content = {k: v for k, v in asdict(self).items() if k not in ("name", "origin")}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """The text of manifest.json."""
        content = {"schema": SCHEMA, "version": self.version, **asdict(self)}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read manifest.json; raises ValueError saying what is wrong with it."""
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("expected a JSON object")
        schema = content.pop("schema", None)
        if schema != SCHEMA:
            raise ValueError(f"schema {schema!r} is not {SCHEMA}, the one this code can read")
        version = content.pop("version", None)
        try:
            spec = content.pop("preprocess")
            dog = content.pop("dog_score")
            manifest = cls(
                preprocess=PreprocessSpec(
                    **{**spec, "mean": tuple(spec["mean"]), "std": tuple(spec["std"])}
                ),
                dog_score=DogScore(**dog) if dog is not None else None,
                labels=tuple(content.pop("labels")),
                head=tuple(content.pop("head")),
                **content,
            )
        except KeyError as error:
            raise ValueError(f"{error.args[0]} is missing") from error
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error).removeprefix("Manifest.__init__() ")) from error
        if version != manifest.version:
            raise ValueError(f"version is {version}, its content hashes to {manifest.version}")
        return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read an unpacked package's manifest and check its weights' hash; raises PackageError."""
    path = folder / MANIFEST
    try:
        manifest = Manifest.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackageError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise PackageError(f"{path}: {error}") from error
    weights = folder / WEIGHTS
    try:
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PackageError(f"{weights}: cannot be read: {error.strerror}") from error
    if digest != manifest.weights_sha256:
        expected = manifest.weights_sha256
        raise PackageError(f"{weights}: sha256 is {digest}, {MANIFEST} says {expected}")
    return manifest


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
    """Unpack model.tar.gz into `folder`; raises PackageError for an archive that is not one."""
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    except (OSError, tarfile.TarError, EOFError) as error:
        raise PackageError(f"{archive}: cannot be unpacked: {error}") from error
