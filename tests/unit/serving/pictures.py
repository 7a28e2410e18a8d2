"""Pictures and packages for the serving tests."""

import hashlib
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from torch import nn

from serving.package import MANIFEST, WEIGHTS, DogScore, Manifest
from serving.preprocess import PreprocessSpec
from tests.networks import norms
from training.network.backbones import build_backbone
from training.network.heads import build_head

SPEC = PreprocessSpec(256, 224, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def picture(width: int = 300, height: int = 260, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Noise with structure at several scales, in any mode that RGB converts to."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (7, 7, 3), dtype=np.uint8))
    fine = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
    smooth = coarse.resize((width, height), Image.Resampling.BICUBIC)
    return Image.blend(smooth, fine, 0.3).convert(mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def manifest_for(weights: bytes, labels: tuple[str, ...] = ("Beagle", "Pug")) -> Manifest:
    """A manifest of a model with two breeds and a dog score over four classes."""
    return Manifest(
        name="test",
        backbone="efficientnet_lite0",
        labels=labels,
        head=(1280, len(labels)),
        preprocess=SPEC,
        dog_score=DogScore(4, 1, 2, 0.5),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )


def random_model(manifest: Manifest) -> nn.ModuleDict:
    """The manifest's model in PyTorch, with random weights and statistics as after training."""
    torch.manual_seed(0)
    score = manifest.dog_score
    parts = {"backbone": build_backbone(manifest.backbone), "head": build_head(manifest.head)}
    if score is not None:
        parts["dog_head"] = nn.Linear(manifest.head[0], score.classes)
    model = nn.ModuleDict(parts).eval()
    for norm in norms(model):
        nn.init.uniform_(norm.get_buffer("running_mean"), -0.5, 0.5)
        nn.init.uniform_(norm.get_buffer("running_var"), 0.5, 2)
        nn.init.uniform_(norm.weight, 0.5, 1.5)  # timm starts some at 0, which hides a path
        nn.init.uniform_(norm.bias, -0.5, 0.5)
    return model


def write_package(folder: Path) -> Manifest:
    """An unpacked package with random weights."""
    weights = save(random_model(manifest_for(b"")).state_dict())
    manifest = manifest_for(weights)
    (folder / WEIGHTS).write_bytes(weights)
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest
