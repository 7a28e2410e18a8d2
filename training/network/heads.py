"""The network that is trained, where its head starts, and the dog head beside it.

The backbones come with a classifier of ImageNet's 1000 classes, and those hold much of what a data
set asks for. So a linear head starts from it: for every class of ours, from the row of the ImageNet
class that its training photos are most often taken for. No label is compared, only the backbone's
own answers, so this works for any data set; where ImageNet knows nothing similar it is merely a
start. With the 120 dog breeds this start alone is right on 84 % of the validation photos, and a few
epochs take it further than any head that starts at random.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import nn

from serving.package import DogScore
from training.errors import JobError
from training.network.backbones import Pretrained, build_backbone
from training.network.breeds import (
    DOG_THRESHOLD,
    FIRST_BREED,
    IMAGENET_CLASSES,
    LAST_BREED,
    LAST_WILD_DOG,
)

# Photos whose 1000 probabilities are in memory at a time. Those of all photos would need nearly as
# much as their features.
PORTION = 4096
# A dog head may refuse this share of the training photos, all of which are wanted.
REFUSED_AT_MOST = 0.02

# Parameters, each with the pretrained value that it is held near.
Anchors = dict[nn.Parameter, torch.Tensor]


class Network(nn.Module):
    """[backbone ->] dropout -> head. Without a backbone it takes features.

    The names of its tensors are those of a model package. A backbone stays in evaluation
    mode also while it is trained: its batch norms keep the statistics of ImageNet, because those of
    small batches are noise, would differ from process to process, and are not what is served.
    """

    def __init__(self, backbone: nn.Module | None, head: nn.Sequential, dropout: float) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.head = head

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """float32 (N, 3, H, W) or (N, features) -> logits (N, classes)."""
        features = self.backbone(batch) if self.backbone else batch
        logits: torch.Tensor = self.head(self.dropout(features))
        return logits

    def train(self, mode: bool = True) -> "Network":
        """As nn.Module.train, but for the backbone."""
        super().train(mode)
        if self.backbone:
            self.backbone.eval()
        return self


def build_head(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers of the given widths with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def build_network(
    pretrained: Pretrained, widths: Sequence[int], unfreeze: str, dropout: float
) -> Network:
    """The network for `unfreeze` (head, last-stage, all); what stays as it is needs no gradient."""
    head = build_head(widths)
    if unfreeze == "head":
        return Network(None, head, dropout)
    backbone = build_backbone(pretrained.name)
    backbone.load_state_dict(dict(pretrained.tensors))
    if unfreeze == "last-stage":
        backbone.requires_grad_(False)
        for name in pretrained.entry.last_stage:
            backbone.get_submodule(name).requires_grad_(True)
    return Network(backbone.to(memory_format=torch.channels_last), head, dropout)


def anchors(network: Network, head_is_pretrained: bool) -> Anchors:
    """What learns and did not start at random, with a copy of where it started."""
    modules: list[nn.Module | None] = [network.head if head_is_pretrained else None]
    modules.append(network.backbone)
    parameters = [p for module in modules if module for p in module.parameters()]
    return {p: p.detach().clone() for p in parameters if p.requires_grad}


@torch.no_grad()
def start_from_imagenet(
    head: nn.Sequential, pretrained: Pretrained, features: torch.Tensor, labels: torch.Tensor
) -> float | None:
    """Set a linear head to rows of the ImageNet classifier, as this module's docstring says.

    `features` (photos x widths, float32) and `labels` (photos, int64) are those of the plain
    training photos. Returns the head's accuracy (0..1) on them, None where there is nothing to
    start from: no classifier with the weights, or a head of more layers.
    """
    if pretrained.classifier is None or len(head) != 1:
        return None
    weight, bias = pretrained.classifier
    layer = cast(nn.Linear, head[0])
    portions = list(zip(features.split(PORTION), labels.split(PORTION), strict=True))
    mass = torch.zeros(layer.out_features, IMAGENET_CLASSES)
    for rows, own in portions:
        mass.index_add_(0, own, nn.functional.linear(rows, weight, bias).softmax(1))
    nearest = mass.argmax(1)
    layer.weight.copy_(weight[nearest])
    layer.bias.copy_(bias[nearest])
    right = sum(int((layer(rows).argmax(1) == own).sum()) for rows, own in portions)
    return right / len(labels)


@torch.no_grad()
def dog_score(
    option: str, frozen: bool, pretrained: Pretrained, features: torch.Tensor
) -> DogScore | None:
    """Whether the model also says "no dog", and by which of ImageNet's classes it knows a dog.

    `option` is auto, true or false. auto: yes, if the backbone's features stay as they are and the
    score keeps 98 % of the training photos, which tells a data set of dogs from any other. The span
    of classes is that of the dog breeds, or with the wild dogs behind them if it takes those.
    Raises JobError where `true` is impossible.
    """
    if option == "false":
        return None
    if pretrained.classifier is None or not frozen:
        if option == "true":
            raise JobError(
                "--dog-score true needs a backbone whose features stay as they are "
                "(--unfreeze head) and weights that bring their ImageNet classifier"
            )
        return None
    probabilities = (
        nn.functional.linear(rows, *pretrained.classifier).softmax(1)
        for rows in features.split(PORTION)
    )
    dogs = torch.cat([rows[:, FIRST_BREED : LAST_WILD_DOG + 1].clone() for rows in probabilities])
    for last in (LAST_BREED, LAST_WILD_DOG):
        score = DogScore(IMAGENET_CLASSES, FIRST_BREED, last, DOG_THRESHOLD)
        mass = dogs[:, : last + 1 - FIRST_BREED].sum(1)
        refused = float((mass < DOG_THRESHOLD).float().mean())
        print(
            f"dog score over ImageNet classes {FIRST_BREED}-{last}: refuses {refused:.1%} of train"
        )
        if refused <= REFUSED_AT_MOST:
            return score
    if option == "true":
        return score
    print("no dog score: these are not photos of dogs", flush=True)
    return None
