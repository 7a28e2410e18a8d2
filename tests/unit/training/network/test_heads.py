"""Where a head starts, what is held near its start, and when a model may say "no dog"."""

import pytest
import torch
from torch import nn

from tests.unit.training.small import LABELS, WIDTH, pretrained, split
from training.errors import JobError
from training.features.file import SplitFeatures
from training.network import heads
from training.network.heads import (
    REFUSED_AT_MOST,
    anchors,
    build_head,
    build_network,
    dog_score,
    start_from_imagenet,
)


def classifier(*known: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An ImageNet classifier that takes cloud i of `small.split` for class known[i]."""
    weight, bias = torch.zeros(1000, WIDTH), torch.zeros(1000)
    for axis, number in enumerate(known):
        weight[number, axis] = 8
    return weight, bias


@pytest.fixture
def train() -> SplitFeatures:
    return split(60)


def test_linear_head_starts_from_the_classes_its_photos_are_taken_for(
    train: SplitFeatures,
) -> None:
    head = build_head((WIDTH, len(LABELS)))
    weights = classifier(700, 3, 250)
    accuracy = start_from_imagenet(head, pretrained(weights), train.views[0], train.labels)
    assert accuracy is not None
    assert accuracy > 0.8
    layer = head[0]
    assert isinstance(layer, nn.Linear)
    assert torch.equal(layer.weight, weights[0][[700, 3, 250]])


@pytest.mark.parametrize("hidden", [(), (4,)])
def test_head_without_anything_to_start_from_stays_random(
    hidden: tuple[int, ...], train: SplitFeatures
) -> None:
    head = build_head((WIDTH, *hidden, len(LABELS)))
    before = [parameter.clone() for parameter in head.parameters()]
    weights = classifier(1, 2, 3) if hidden else None
    assert start_from_imagenet(head, pretrained(weights), train.views[0], train.labels) is None
    assert all(torch.equal(a, b) for a, b in zip(before, head.parameters(), strict=True))


def test_only_what_was_pretrained_is_held_near_its_start() -> None:
    network = build_network(pretrained(None), (WIDTH, 3), "head", 0.0)
    assert anchors(network, head_is_pretrained=False) == {}
    held = anchors(network, head_is_pretrained=True)
    assert [parameter.shape for parameter in held] == [(3, WIDTH), (3,)]


@pytest.mark.parametrize(
    ("known", "last"),
    [((151, 200, 268), 268), ((151, 200, 274), 275)],  # breeds alone; a wild dog among them
)
def test_photos_of_dogs_get_a_dog_score(
    known: tuple[int, ...], last: int, train: SplitFeatures
) -> None:
    score = dog_score("auto", True, pretrained(classifier(*known)), _clear(train).views[0])
    assert score is not None
    assert (score.first, score.last, score.classes) == (151, last, 1000)


def test_photos_of_other_things_get_none_unless_it_is_wished(train: SplitFeatures) -> None:
    cats = pretrained(classifier(281, 282, 283))
    assert dog_score("auto", True, cats, train.views[0]) is None
    assert dog_score("true", True, cats, train.views[0]) is not None
    dogs = pretrained(classifier(151, 152, 153))
    assert dog_score("false", True, dogs, _clear(train).views[0]) is None


@pytest.mark.parametrize("frozen", [True, False])
def test_dog_score_needs_imagenets_features_and_classifier(
    frozen: bool, train: SplitFeatures
) -> None:
    weights = None if frozen else classifier(151, 152, 153)
    assert dog_score("auto", frozen, pretrained(weights), train.views[0]) is None
    with pytest.raises(JobError, match="--dog-score true needs a backbone"):
        dog_score("true", frozen, pretrained(weights), train.views[0])


def test_trained_backbone_keeps_its_batch_norms_statistics() -> None:
    from training.network.backbones import load_pretrained

    source = load_pretrained("efficientnet_lite0")
    network = build_network(source, (1280, 3), "last-stage", 0.0).train()
    network(torch.randn(2, 3, 64, 64))
    assert network.backbone is not None
    for name, tensor in network.backbone.named_buffers():
        assert torch.equal(tensor, source.tensors[name]), name
    learning = {
        name.split(".")[0] for name, p in network.backbone.named_parameters() if p.requires_grad
    }
    assert learning == {"blocks", "conv_head", "bn2"}
    assert not any(p.requires_grad for p in network.backbone.get_submodule("blocks.5").parameters())


def test_head_is_linear_layers_with_relu_between_them_and_dropout_before() -> None:
    head = build_head((WIDTH, 5, 4, 3))
    assert [type(layer) for layer in head] == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    assert [layer.out_features for layer in head[::2]] == [5, 4, 3]

    network = build_network(pretrained(None), (WIDTH, 3), "head", 1.0)
    batch = torch.randn(4, WIDTH)
    assert torch.equal(network.train()(batch), network.head(torch.zeros(4, WIDTH)))
    assert torch.equal(network.eval()(batch), network.head(batch))


def test_whole_backbone_learns_when_all_is_unfrozen_and_runs_channels_last() -> None:
    from training.network.backbones import load_pretrained

    source = load_pretrained("efficientnet_lite0")
    network = build_network(source, (1280, 3), "all", 0.0)

    assert network.backbone is not None
    assert all(p.requires_grad for p in network.backbone.parameters())
    weight = network.backbone.get_submodule("conv_stem").weight
    assert isinstance(weight, torch.Tensor)
    assert weight.is_contiguous(memory_format=torch.channels_last)
    held = anchors(network, head_is_pretrained=False)
    assert held.keys() == set(network.backbone.parameters())
    assert torch.equal(held[weight], weight)  # type: ignore[index]
    with torch.no_grad():
        weight.add_(1)
    assert not torch.equal(held[weight], weight)  # type: ignore[index]


def test_start_from_imagenet_takes_the_class_that_has_most_of_a_classs_photos(
    train: SplitFeatures,
) -> None:
    head = build_head((WIDTH, len(LABELS)))
    weight, bias = classifier(10, 20, 30)
    bias = torch.arange(1000) / 1000
    accuracy = start_from_imagenet(head, pretrained((weight, bias)), train.views[0], train.labels)

    layer = head[0]
    assert isinstance(layer, nn.Linear)
    assert torch.equal(layer.bias, bias[[10, 20, 30]])
    hits = (head(train.views[0]).argmax(1) == train.labels).float().mean()
    assert accuracy == pytest.approx(float(hits))


def test_photos_in_portions_give_the_start_and_the_score_of_all_at_once(
    train: SplitFeatures, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN photos for several portions, the last of them smaller, and a classifier without order
    draw = torch.Generator().manual_seed(1)
    weights = torch.randn(1000, WIDTH, generator=draw), torch.randn(1000, generator=draw)
    photos, found = train.views[0], []
    # WHEN they are taken in portions, and all at once
    for portion in (7, len(photos)):
        monkeypatch.setattr(heads, "PORTION", portion)
        head = build_head((WIDTH, len(LABELS)))
        accuracy = start_from_imagenet(head, pretrained(weights), photos, train.labels)
        score = dog_score("true", True, pretrained(weights), photos)
        found.append((accuracy, score, capsys.readouterr().out, head[0]))
    # THEN nothing is another
    assert len(photos) % 7
    assert found[0][:3] == found[1][:3]
    for one, other in zip(found[0][3].parameters(), found[1][3].parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("strangers", "refused"), [(1, False), (2, True)])
def test_dog_score_may_refuse_two_photos_in_a_hundred(
    strangers: int, refused: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = torch.zeros(50, dtype=torch.int64)
    labels[:strangers] = 1
    photos = SplitFeatures(2 * torch.eye(3, WIDTH)[labels].unsqueeze(0), labels, (), {})

    score = dog_score("auto", True, pretrained(classifier(151, 900)), photos.views[0])

    assert (score is None) is refused
    out = capsys.readouterr().out
    assert f"ImageNet classes 151-268: refuses {strangers * 2:.1f}% of train" in out
    assert ("no dog score" in out) is refused
    assert REFUSED_AT_MOST == 0.02


def _clear(features: SplitFeatures) -> SplitFeatures:
    """The same photos without noise, so that the classifier is sure of each."""
    centres = 2 * torch.eye(len(LABELS), WIDTH)[features.labels]
    return SplitFeatures(centres.unsqueeze(0), features.labels, features.names, {})
