"""The file of a frozen backbone's features: tensors, and a header with all that decides them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from serving.settings import FloatPrecision
from training.data.folders import Split
from training.errors import JobError

FILE = "features.safetensors"
DESCRIPTION = "features.json"


@dataclass(frozen=True)
class Key:
    """All that decides a feature."""

    backbone: str
    weights_sha256: str
    transform: Mapping[str, Any]
    precision: FloatPrecision
    code_sha256: str
    data_sha256: str

    @property
    def digest(self) -> str:
        """Short name of this key."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class SplitFeatures:
    """One split: float32 (views, n, features), int64 (n,), and the n photos' names.

    `skipped` are the photos that could not be read, with the reason. `digests` are the n photos'
    sha256 in hex, by which another data set finds them again; empty in files of before.
    """

    views: torch.Tensor
    labels: torch.Tensor
    names: tuple[str, ...]
    skipped: Mapping[str, str]
    digests: tuple[str, ...] = ()


@dataclass(frozen=True)
class Features:
    """The features of a whole data set; `labels` are its classes in index order."""

    key: Key
    labels: tuple[str, ...]
    splits: Mapping[Split, SplitFeatures]

    @property
    def views(self) -> int:
        """Views of each training photo."""
        return len(self.splits["train"].views)


def stored_type(key: Key, split: Split) -> torch.dtype:
    """How the file keeps a split: what was computed in bf16 (8 bits of mantissa) in float16 (11).

    It is a rounding all the same: the last layer averages in float32.
    """
    return torch.float16 if key.precision == "bf16" and split == "train" else torch.float32


def write(path: Path, features: Features) -> None:
    """Write the file, beside its final place first, so that a half-written one has no name."""
    tensors = {}
    for name, split in features.splits.items():
        kept = split.views.to(stored_type(features.key, name))
        tensors[f"{name}.views"] = kept.contiguous()
        tensors[f"{name}.labels"] = split.labels
    header = json.dumps(describe(features))
    metadata = {"features": header, "sha256": _digest(header, tensors)}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    partial.touch()
    mode = partial.stat().st_mode
    save_file(tensors, partial, metadata=metadata)  # which lets only the owner read its file
    partial.chmod(mode)
    partial.replace(path)


def describe(features: Features) -> dict[str, Any]:
    """The header's content, also written as features.json for people."""
    splits = {
        name: {
            "names": list(split.names),
            "skipped": dict(split.skipped),
            "digests": list(split.digests),
        }
        for name, split in features.splits.items()
    }
    return {"key": asdict(features.key), "labels": list(features.labels), "splits": splits}


def _digest(header: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """sha256 in hex over the header and every tensor."""
    total = hashlib.sha256(header.encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"\0{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        total.update(tensor.contiguous().numpy().data)
    return total.hexdigest()


def read(path: Path) -> Features:
    """Read what `write` wrote; raises JobError for anything else, a single changed bit included:
    what unpacks a tar.gz stops before gzip's checksum.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        if _digest(metadata["features"], tensors) != metadata["sha256"]:
            raise ValueError("its sha256 is another: the file is damaged")
        header = json.loads(metadata["features"])
        splits = {
            name: SplitFeatures(
                tensors[f"{name}.views"].float(),
                tensors[f"{name}.labels"],
                tuple(split["names"]),
                split["skipped"],
                tuple(split.get("digests", ())),
            )
            for name, split in header["splits"].items()
        }
        return Features(Key(**header["key"]), tuple(header["labels"]), splits)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path}: not features written by --features-only: {error!r}") from error


def read_key(path: Path) -> Key:
    """The key in the header alone; raises JobError for a file that `write` did not write."""
    try:
        with safe_open(path, "pt") as file:
            return Key(**json.loads(file.metadata()["features"])["key"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path}: not features written by --features-only: {error!r}") from error
