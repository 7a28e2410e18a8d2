"""The models that are measured, both with ImageNet's weights: a file, or a package made of them.

Each is a starter model: its breeds are the 118 dogs of the ImageNet classifier.
"""

from pathlib import Path

from benchmarks import keras_resnet50
from benchmarks.report import ROOT
from serving.package import unpack
from training.network.backbones import Pretrained, load_pretrained
from training.package import starter

RESNET50 = "resnet50_v1"
MODELS = (starter.BACKBONE, RESNET50)
KEPT = ROOT / ".local" / "weights" / f"{RESNET50}.safetensors"  # `make weights` puts it there too


def pretrained(name: str) -> Pretrained:
    """A backbone's weights and classifier; ResNet50's are fetched once."""
    if name != RESNET50:
        return load_pretrained(name)
    if not KEPT.exists():
        keras_resnet50.fetch(KEPT)
    return load_pretrained(name, str(KEPT))


def package(name: str, scratch: Path) -> Path:
    """An unpacked package of a backbone; the archive stays beside it."""
    archive = scratch / f"{name}.tar.gz"
    starter.build(archive, pretrained(name))
    unpack(archive, scratch / name)
    return scratch / name
