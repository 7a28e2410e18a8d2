"""A verified model package as something that can be called: a batch of tensors -> predictions."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar, cast

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from serving.memory import keep_freed_memory
from serving.package import MANIFEST, WEIGHTS, Manifest, PackageError, read_manifest

TOP = 5

# Our names of backbones -> timm's. Each is built without its classifier and ends in pooled
# features; weights of torchvision's resnet50 have the same names and shapes as timm's.
BACKBONES = {
    "efficientnet_lite0": "tf_efficientnet_lite0",
    "efficientnet_lite1": "tf_efficientnet_lite1",
    "efficientnet_lite2": "tf_efficientnet_lite2",
    "resnet50": "resnet50",
}

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Prediction:
    """One photo's answer; probabilities are softmax values over the breeds, best first."""

    label: str | None
    confidence: float
    dog_probability: float | None
    top: tuple[tuple[str, float], ...]


class Classifier(nn.Module):
    """Backbone, breed head and, where there is one, the dog head on the same features."""

    def __init__(self, manifest: Manifest) -> None:
        super().__init__()
        self.backbone = build_backbone(manifest.backbone)
        widths = manifest.head
        if widths[0] != self.backbone.num_features:
            features = self.backbone.num_features
            raise ValueError(
                f"head takes {widths[0]} features, {manifest.backbone} gives {features}"
            )
        self.head = build_head(widths)
        score = manifest.dog_score
        self.dog_head = nn.Linear(widths[0], score.classes) if score else None

    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """float32 (N, 3, H, W) -> breed logits (N, breeds), dog logits (N, classes) or None."""
        features = self.backbone(batch)
        return self.head(features), self.dog_head(features) if self.dog_head else None


class Model:
    """A classifier with its manifest, ready to predict on the CPU in float32."""

    def __init__(self, manifest: Manifest, classifier: Classifier) -> None:
        self.manifest = manifest
        self.classifier = classifier

    @torch.inference_mode()
    def predict(self, batch: torch.Tensor) -> list[Prediction]:
        """float32 (N, 3, crop, crop), normalised -> one prediction a picture, in order."""
        return self.answers(*self.logits(batch))

    @torch.inference_mode()
    def answers(
        self, breed_logits: torch.Tensor, dog_logits: torch.Tensor | None
    ) -> list[Prediction]:
        """What `logits` gave, or the heads alone on cached features -> one prediction a row."""
        top = breed_logits.softmax(1).topk(min(TOP, len(self.manifest.labels)), dim=1)
        dog: list[float | None] = [None] * len(breed_logits)
        score = self.manifest.dog_score
        if score is not None and dog_logits is not None:
            mass = dog_logits.softmax(1)[:, score.first : score.last + 1].sum(1)
            dog = mass.clamp(0, 1).tolist()
        rows = zip(top.values.tolist(), top.indices.tolist(), dog, strict=True)
        return [self._prediction(values, indices, score) for values, indices, score in rows]

    @torch.inference_mode()
    def logits(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The bare forward pass; channels-last is about twice as fast on a CPU."""
        outputs: tuple[torch.Tensor, torch.Tensor | None] = self.classifier(
            batch.contiguous(memory_format=torch.channels_last)
        )
        return outputs

    def _prediction(self, values: list[float], indices: list[int], dog: float | None) -> Prediction:
        labels = self.manifest.labels
        top = tuple((labels[i], round(value, 6)) for i, value in zip(indices, values, strict=True))
        score = self.manifest.dog_score
        if dog is None or score is None or dog >= score.threshold:
            rounded = None if dog is None else round(dog, 6)
            return Prediction(top[0][0], top[0][1], rounded, top)
        return Prediction(None, round(1 - dog, 6), round(dog, 6), top)


def load(folder: Path, threads: int | None = None) -> Model:
    """Verify an unpacked package and build its model; raises PackageError.

    Everything is checked before the first request: schema, hash, labels, and that the weights'
    names and shapes are those of the architecture the manifest names.

    `threads` is for the forward passes, which should all run in one thread of the caller's: a
    second one would bring a second team of OpenMP workers, and more workers than CPUs make each
    pass take twice as long. So nothing here runs in parallel.
    """
    threads = threads or torch.get_num_threads()
    torch.set_num_threads(1)
    keep_freed_memory()
    manifest = read_manifest(folder)
    path = folder / WEIGHTS
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise PackageError(f"{path}: not a safetensors file: {error}") from error
    try:
        with torch.device("meta"):  # no memory and no random numbers for weights to be replaced
            classifier = Classifier(manifest)
    except ValueError as error:
        raise PackageError(f"{folder / MANIFEST}: {error}") from error
    _check_shapes(path, weights, classifier.state_dict())
    classifier.load_state_dict(weights, assign=True)
    model = Model(manifest, optimised(classifier, manifest.preprocess.crop))
    torch.set_num_threads(threads)
    return model


def build_backbone(name: str) -> nn.Module:
    """A backbone by our name, without weights; raises ValueError for a name not in BACKBONES."""
    if name not in BACKBONES:
        raise ValueError(f"backbone {name!r} is not one of {', '.join(BACKBONES)}")
    model: nn.Module = timm.create_model(BACKBONES[name], pretrained=False, num_classes=0)
    return model


def build_head(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers of the given widths with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def optimised(network: Network, crop: int) -> Network:
    """Fold batch norms into their convolutions and go channels-last: the same function, faster.

    `network` is a backbone or a whole Classifier; it is copied, and left in evaluation mode.

    Folding pairs layers by their order. The check at the end makes sure that this was right for
    the backbone at hand.
    """
    folded = copy.deepcopy(network.eval()).to(memory_format=torch.channels_last)
    _fold(folded)
    probe = torch.linspace(-1, 1, 3 * crop * crop).reshape(1, 3, crop, crop)
    with torch.inference_mode():
        for before, after in zip(_outputs(network(probe)), _outputs(folded(probe)), strict=True):
            if not torch.allclose(before, after, rtol=1e-3, atol=1e-3):
                raise RuntimeError("folding the batch norms changed the model's output")
    return folded


def _outputs(value: torch.Tensor | tuple[torch.Tensor | None, ...]) -> list[torch.Tensor]:
    """A network's tensors: a backbone gives one, a classifier two, or one and None."""
    values = value if isinstance(value, tuple) else (value,)
    return [tensor for tensor in values if tensor is not None]


def _fold(module: nn.Module) -> None:
    """Merge each convolution with the batch norm right after it, through all submodules."""
    previous: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if previous and isinstance(child, nn.BatchNorm2d):
            convolution = cast(nn.Conv2d, previous[1])
            setattr(module, previous[0], fuse_conv_bn_eval(convolution, child))
            # timm's BatchNormAct2d is a batch norm that also holds the activation behind it.
            setattr(module, name, getattr(child, "act", nn.Identity()))
        else:
            _fold(child)
        previous = (name, child) if isinstance(child, nn.Conv2d) else None


def _check_shapes(
    path: Path, weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    for name in sorted(expected.keys() - weights.keys()):
        raise PackageError(f"{path}: tensor {name} is missing")
    for name in sorted(weights.keys() - expected.keys()):
        raise PackageError(f"{path}: tensor {name} does not belong to this architecture")
    for name, tensor in expected.items():
        found = weights[name]
        if found.shape != tensor.shape or found.dtype != tensor.dtype:
            has = f"{tuple(found.shape)} {found.dtype}"
            wants = f"{tuple(tensor.shape)} {tensor.dtype}"
            raise PackageError(f"{path}: tensor {name} is {has}, the manifest's model has {wants}")
