"""What all servers get: photos, and the same package of each backbone."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save
from torch import nn

from benchmarks.report import DOGS
from benchmarks.serving.bare import BATCH
from serving.architectures import ARCHITECTURES
from serving.images import decode
from serving.model import CLOSE
from serving.network import backbone
from serving.package import Manifest, unpack
from serving.preprocess import PreprocessSpec, pixels
from serving.settings import Settings
from serving.weights import Weights
from training import starter
from training.archive import write_package
from training.backbones import REGISTRY, build_backbone
from training.batches import normalised
from training.breeds import breed_labels
from training.heads import build_head

SEED = 0
UNSURE = 0.13  # share of the photos at which the starter model looks again, see serving.model.CLOSE


def sample_photos() -> tuple[list[bytes], str]:
    """A hundred encoded photos and where they come from."""
    paths = sorted((DOGS / "test").glob("*/*.jpg"))[::8][:100]
    if paths:
        return [path.read_bytes() for path in paths], "dog photos (DOGS_DATA), 224 x 224 JPEG"
    generator = np.random.default_rng(SEED)
    encoded = []
    for _ in range(100):
        buffer = io.BytesIO()
        noise = Image.fromarray(generator.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        noise.resize((224, 224), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        encoded.append(buffer.getvalue())
    return encoded, "generated pictures, 224 x 224 JPEG"


def real(name: str) -> bool:
    """Whether this backbone's weights are those of ImageNet, and not random."""
    return name == starter.BACKBONE


def package(name: str, scratch: Path, photos: Sequence[bytes]) -> Path:
    """An unpacked package of a backbone."""
    archive = scratch / f"{name}.tar.gz"
    if real(name):
        starter.build(archive)
    else:
        torch.manual_seed(SEED)
        labels = breed_labels()
        head = (ARCHITECTURES[name].features, len(labels))
        network, classifier = build_backbone(name), build_head(head)
        pictures = decoded(photos, REGISTRY[name].preprocess)
        settle(network, pictures, name)
        make_sure(classifier, rough_features(network, pictures, name))
        modules = {"backbone.": network, "head.": classifier}
        weights = save(
            {
                p + key: value
                for p, one in modules.items()
                for key, value in one.state_dict().items()
            }
        )
        digest = hashlib.sha256(weights).hexdigest()
        spec = REGISTRY[name].preprocess
        write_package(
            archive, Manifest(f"{name}-random", name, labels, head, spec, None, digest), weights
        )
    unpack(archive, scratch / name)
    return scratch / name


def decoded(photos: Sequence[bytes], spec: PreprocessSpec) -> list[NDArray[np.uint8]]:
    """What the network gets of each photo: (crop, crop, 3)."""
    return [pixels(decode(one, Settings.max_pixels, spec.resize), spec) for one in photos]


@torch.no_grad()
def settle(network: nn.Module, pictures: Sequence[NDArray[np.uint8]], name: str) -> None:
    """Let the batch norms of random weights know some pictures, as after training."""
    for norm in (one for one in network.modules() if isinstance(one, nn.BatchNorm2d)):
        nn.init.ones_(norm.weight)  # timm starts some at 0, as if their blocks were not there
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all passes
    network.train()
    for at in range(0, len(pictures), BATCH):
        network(normalised(pictures[at : at + BATCH], REGISTRY[name].preprocess))
    network.eval()


def rough_features(
    network: nn.Module, pictures: Sequence[NDArray[np.uint8]], name: str
) -> torch.Tensor:
    """What the endpoint computes in int8: (N, features)."""
    tensors = {key: value.numpy() for key, value in network.state_dict().items()}
    int8 = backbone(name, Weights(tensors), REGISTRY[name].preprocess, 1, "int8")
    return torch.from_numpy(int8(np.stack(pictures))[0])


@torch.no_grad()
def make_sure(head: nn.Sequential, features: torch.Tensor) -> None:
    """A random head that is as often unsure of these as the starter model's is of dogs.

    So mixed precision looks again at as many.
    """
    (last,) = head
    assert isinstance(last, nn.Linear)
    last.bias.copy_(-(last.weight @ features.mean(0)))
    while True:
        best = head(features).softmax(1).topk(2).values
        if (best[:, 0] - best[:, 1] < CLOSE).float().mean() <= UNSURE:
            return
        last.weight.mul_(1.1)
        last.bias.mul_(1.1)
