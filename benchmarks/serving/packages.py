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
from benchmarks.serving.bare import BATCH, decoded
from serving.architectures import ARCHITECTURES
from serving.model import CLOSE
from serving.network import backbone
from serving.package import Manifest, unpack
from serving.preprocess import PreprocessSpec
from serving.weights import Weights
from tests.networks import norms, settle
from training import starter
from training.archive import write_package
from training.backbones import REGISTRY, build_backbone
from training.batches import normalised
from training.breeds import breed_labels
from training.heads import build_head

MODELS = (starter.BACKBONE, "resnet50")
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
        head, spec = (ARCHITECTURES[name].features, len(labels)), REGISTRY[name].preprocess
        pictures = [decoded(photo, spec) for photo in photos]
        network, classifier = random_backbone(name, pictures, spec), build_head(head)
        make_sure(classifier, rough_features(network, name, pictures, spec))
        modules = {"backbone.": network, "head.": classifier}
        weights = save(
            {
                p + key: value
                for p, one in modules.items()
                for key, value in one.state_dict().items()
            }
        )
        digest = hashlib.sha256(weights).hexdigest()
        write_package(
            archive, Manifest(f"{name}-random", name, labels, head, spec, None, digest), weights
        )
    unpack(archive, scratch / name)
    return scratch / name


def random_backbone(
    name: str, pictures: Sequence[NDArray[np.uint8]], spec: PreprocessSpec
) -> nn.Module:
    """Random weights whose batch norms know the pictures."""
    network = build_backbone(name)
    for norm in norms(network):
        nn.init.ones_(norm.weight)  # timm starts some at 0, as if their blocks were not there
    starts = range(0, len(pictures), BATCH)
    settle(network, (normalised(pictures[at : at + BATCH], spec) for at in starts))
    return network.eval()


def rough_features(
    network: nn.Module, name: str, pictures: Sequence[NDArray[np.uint8]], spec: PreprocessSpec
) -> torch.Tensor:
    """What the endpoint computes in int8: (N, features)."""
    tensors = {key: value.numpy() for key, value in network.state_dict().items()}
    int8 = backbone(name, Weights(tensors), spec, 1, "int8")
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
