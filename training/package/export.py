"""The trained model as a package: its weights, its manifest, and where it comes from."""

import hashlib
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors.torch import save

from serving.package import DogScore, Manifest
from training.features.file import Features
from training.fit.checkpoint import EpochRecord, Run
from training.network.backbones import Pretrained
from training.options import Options, job_name
from training.package.archive import write_unpacked

# Said wherever accuracy on dog photos is quoted.
CAVEAT = (
    "The backbone was trained on ImageNet. Where the photos descend from it, as those of the usual "
    "dog-breed data sets do, it has seen many of them, and figures are better than on new photos."
)


@dataclass(frozen=True)
class Trained:
    """What a training leaves; `run.best_weights` are named as in a model package.

    `data_version` is that of a data set that `make dataset` made.
    """

    run: Run
    widths: tuple[int, ...]
    score: DogScore | None
    data_version: str | None = None

    @property
    def best(self) -> EpochRecord:
        """The epoch whose weights are kept."""
        if self.run.best is None:
            raise ValueError("nothing was trained")
        return self.run.best


def export(
    folder: Path, trained: Trained, pretrained: Pretrained, features: Features, options: Options
) -> Manifest:
    """Write the package into `folder`; returns its manifest, which has no metrics yet."""
    tensors = {f"backbone.{name}": tensor for name, tensor in pretrained.tensors.items()}
    tensors |= trained.run.best_weights
    if trained.score and pretrained.classifier:
        tensors["dog_head.weight"], tensors["dog_head.bias"] = pretrained.classifier
    weights = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    manifest = Manifest(
        name=options.model_name,
        backbone=options.backbone,
        labels=features.labels,
        head=trained.widths,
        preprocess=pretrained.entry.preprocess,
        dog_score=trained.score,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        origin=origin(options, pretrained, features, trained),
    )
    write_unpacked(folder, manifest, weights)
    return manifest


def origin(
    options: Options, pretrained: Pretrained, features: Features, trained: Trained
) -> dict[str, Any]:
    """Everything that is needed to make this model again."""
    libraries = (
        "torch",
        "torchvision",
        "timm",
        "openvino",
        "numpy",
        "pillow",
        "pi-heif",
        "safetensors",
    )
    return {
        "training_job": job_name(),
        "command": command(sys.argv),
        "hyperparameters": options.to_json(),
        "seed": options.seed,
        "kept_epoch": trained.best.epoch,
        "features_precision": features.key.precision,
        "data_sha256": features.key.data_sha256,
        "photos": {name: len(split.labels) for name, split in features.splits.items()},
        "weights_from": pretrained.source,
        "weights_from_sha256": pretrained.sha256,
        "libraries": {name: version(name) for name in libraries},
        "python": platform.python_version(),
        "caveat": CAVEAT,
        **({"data_version": trained.data_version} if trained.data_version else {}),
    }


def command(argv: Sequence[str]) -> str:
    """The command line as one could type it, without this machine's folders."""
    return shlex.join(["python", "training/train.py", *argv[1:]])
