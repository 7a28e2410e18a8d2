"""The file of a frozen backbone's features: tensors, and a header with all that decides them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

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

    `skipped` are the photos that could not be read, with the reason.
    """

    views: torch.Tensor
    labels: torch.Tensor
    names: tuple[str, ...]
    skipped: Mapping[str, str]


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


def write(path: Path, features: Features) -> None:
    """Write the file, beside its final place first, so that a half-written one has no name."""
    stored = torch.float16 if features.key.precision == "bf16" else torch.float32
    tensors = {}
    for name, split in features.splits.items():
        # bf16 carries 8 bits of mantissa and float16 has 11: nothing is lost by the smaller file.
        kept = split.views.to(stored if name == "train" else torch.float32)
        tensors[f"{name}.views"] = kept.contiguous()
        tensors[f"{name}.labels"] = split.labels
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    # Not save_file, whose files only their owner may read.
    partial.write_bytes(save(tensors, metadata={"features": json.dumps(describe(features))}))
    partial.replace(path)


def describe(features: Features) -> dict[str, Any]:
    """The header's content, also written as features.json for people."""
    splits = {
        name: {"names": list(split.names), "skipped": dict(split.skipped)}
        for name, split in features.splits.items()
    }
    return {"key": asdict(features.key), "labels": list(features.labels), "splits": splits}


def read(path: Path) -> Features:
    """Read what `write` wrote; raises JobError for anything else."""
    try:
        with safe_open(path, "pt") as file:
            header = json.loads(file.metadata()["features"])
            splits = {
                name: SplitFeatures(
                    file.get_tensor(f"{name}.views").float(),
                    file.get_tensor(f"{name}.labels"),
                    tuple(split["names"]),
                    split["skipped"],
                )
                for name, split in header["splits"].items()
            }
        return Features(Key(**header["key"]), tuple(header["labels"]), splits)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path}: not features written by --features-only: {error!r}") from error
