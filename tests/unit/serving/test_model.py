"""The model: top-k, the dog threshold, and the graphs against PyTorch's networks."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import openvino as ov
import pytest
import torch
from numpy.typing import NDArray
from openvino import Node
from openvino import opset13 as ops

from serving.architectures import ARCHITECTURES
from serving.model import Model, Prediction, load
from serving.network import Network, backbone, fastest_float, graph, heads, multiplies_int8
from serving.package import DogScore, Manifest
from serving.preprocess import PreprocessSpec, pixels
from serving.settings import Precision
from serving.weights import Weights
from tests.networks import settle
from tests.unit.serving.pictures import SPEC, manifest_for, picture, random_model, write_package
from training.fit.batches import normalised

LABELS = tuple("ABCDEFG")
WIDTH = 1280


def manifest(score: DogScore | None, head: tuple[int, ...] = (WIDTH, 7)) -> Manifest:
    return Manifest("test", "efficientnet_lite0", LABELS, head, SPEC, score, "")


def tensors(model: torch.nn.Module) -> dict[str, NDArray[np.float32]]:
    return {name: value.numpy() for name, value in model.state_dict().items()}


def answers(breeds: list[list[float]], dogs: list[list[float]] | None) -> list[Prediction]:
    """What is answered to features whose logits are these: the features are the logits."""
    score = DogScore(len(dogs[0]), 1, 2, threshold=0.3) if dogs else None
    told = manifest(score)
    rows = np.zeros((len(breeds), WIDTH), np.float32)
    rows[:, :7] = breeds
    passing = {"head.0.weight": np.eye(7, WIDTH, dtype=np.float32),
               "head.0.bias": np.zeros(7, np.float32)}  # fmt: skip
    if dogs:
        count = len(dogs[0])
        rows[:, 7 : 7 + count] = dogs
        passing["dog_head.weight"] = np.eye(count, WIDTH, 7, dtype=np.float32)
        passing["dog_head.bias"] = np.zeros(count, np.float32)
    compiled = heads(told, Weights(passing), threads=1)
    return Model(told, compiled, compiled).answers(rows)


def test_top_five_are_softmax_values_in_falling_order() -> None:
    logits = [0.0, 3, 1, 2, -1, -2, 5]
    (answer,) = answers([logits], None)
    assert [label for label, _ in answer.top] == ["G", "B", "D", "C", "A"]
    assert answer.label == "G"
    assert answer.confidence == answer.top[0][1]
    assert answer.confidence == pytest.approx(torch.tensor(logits).softmax(0)[6].item(), abs=2e-6)
    assert answer.dog_probability is None


def test_dog_probability_is_the_softmax_mass_on_the_dog_classes() -> None:
    dogs = np.log([[0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.1, 0.4]]).tolist()
    dog, other = answers([[0.0] * 7] * 2, dogs)
    assert dog.dog_probability == pytest.approx(0.5, abs=2e-6)
    assert dog.label in LABELS
    assert other.label is None
    assert other.dog_probability == pytest.approx(0.2, abs=2e-6)
    assert other.confidence == pytest.approx(0.8, abs=2e-6)
    assert len(other.top) == 5


def pictures(count: int, crop: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, crop, crop, 3)).astype(np.uint8)


def features(name: str, spec: PreprocessSpec, precision: Precision) -> tuple[torch.Tensor, ...]:
    """(PyTorch's features, ours) of the same pictures by the same weights."""
    told = replace(
        manifest_for(b""), backbone=name, head=(ARCHITECTURES[name].features, 2), dog_score=None
    )
    model = random_model(told)
    weights = Weights(tensors(model))
    network = backbone(name, weights.under("backbone."), spec, 2, precision)
    heads(told, weights, 1)
    weights.check_all_taken()
    batch = pictures(3, spec.crop)
    with torch.inference_mode():
        reference = model["backbone"](normalised(list(batch), spec))
    (ours,) = network(batch)
    (alone,) = network(batch, alone=True)
    return reference, torch.from_numpy(ours), torch.from_numpy(alone)


@pytest.mark.parametrize("crop", [224, 260])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_graph_computes_what_pytorchs_network_does(name: str, crop: int) -> None:
    spec = PreprocessSpec(crop, crop, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    reference, ours, alone = features(name, spec, "float32")
    torch.testing.assert_close(ours, reference, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(alone, reference, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(fastest_float() != "bf16", reason="this CPU has no bf16")
def test_bf16_is_near() -> None:
    reference, ours, _ = features("efficientnet_lite0", SPEC, "bf16")
    assert not torch.equal(ours, reference)
    assert torch.nn.functional.cosine_similarity(ours, reference).min() > 0.99


def varied(count: int) -> NDArray[np.uint8]:
    """Pictures of patches of colour, which differ more than noise does."""
    return np.stack([pixels(picture(seed=seed), SPEC) for seed in range(count)])


@cache
def settled(name: str) -> dict[str, NDArray[np.float32]]:
    """Weights of a random backbone whose batch norms have seen the pictures, as after training."""
    told = replace(manifest_for(b""), backbone=name, head=(ARCHITECTURES[name].features, 2))
    network = random_model(told)["backbone"]
    settle(network, [normalised(list(varied(16)), SPEC)])
    return {f"backbone.{key}": value for key, value in tensors(network).items()}


def both(name: str, weights: dict[str, NDArray[np.float32]]) -> tuple[NDArray[np.float32], ...]:
    """The backbone's features of some pictures in float32, and in int8."""
    precisions: tuple[Precision, ...] = ("float32", "int8")
    networks = (
        backbone(name, Weights(weights).under("backbone."), SPEC, 1, one) for one in precisions
    )
    return tuple(network(varied(16))[0] for network in networks)


def alike(ours: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """The least cosine between a picture's features and those of the reference.

    With bounds that are a twelfth of what they should be, it is about 0.7, and with 16 times as
    much 0.9: networks of random weights make much of a little rounding.
    """
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(reference, axis=1)
    return float(((ours * reference).sum(1) / lengths).min())


@pytest.mark.skipif(not multiplies_int8(), reason="without it, sums may overflow")
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_int8_is_near_without_a_photo_to_calibrate_on(name: str) -> None:
    exact, rounded = both(name, settled(name))
    assert not np.array_equal(exact, rounded)
    assert alike(rounded, exact) > 0.94


@pytest.mark.skipif(not multiplies_int8(), reason="without it, sums may overflow")
def test_channel_that_is_switched_off_does_no_harm_in_int8() -> None:
    weights = dict(settled("efficientnet_lite0"))
    for part in ("weight", "bias"):
        changed = weights[f"backbone.bn1.{part}"].copy()
        changed[:3] = 0
        weights[f"backbone.bn1.{part}"] = changed
    exact, rounded = both("efficientnet_lite0", weights)
    assert alike(rounded, exact) > 0.94


@pytest.mark.skipif(not multiplies_int8(), reason="this CPU has no instruction for int8")
@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet50", "resnet50_v1"])
def test_every_convolution_multiplies_integers(name: str) -> None:
    entry, features = graph(name, Weights(settled(name)).under("backbone."), SPEC, int8=True)
    network = ov.compile_model(ov.Model([ops.result(features)], [entry]), "CPU")
    steps = [one.get_rt_info() for one in network.get_runtime_model().get_ops()]
    types = [
        one["runtimePrecision"].astype(str)
        for one in steps
        if one["layerType"].astype(str) == "Convolution"
    ]
    assert types
    assert set(types) <= {"u8", "i8"}


def test_cpu_that_multiplies_int8_is_known_by_its_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.network._CPU", tmp_path / "cpuinfo")
    assert not multiplies_int8()
    for flags, able in (("sse avx2 avx512f", False), ("sse avx512_vnni", True), ("avx_vnni", True)):
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: fpu {flags} clflush\n")
        assert multiplies_int8() == able


def test_head_has_relu_between_its_layers_only() -> None:
    told = manifest(None, (WIDTH, 4, 7))
    model = random_model(told)
    rows = torch.randn(3, WIDTH)
    (ours,) = heads(told, Weights(tensors(model)), 1)(rows.numpy())
    with torch.inference_mode():
        expected = model["head"](rows)
    torch.testing.assert_close(torch.from_numpy(ours), expected, rtol=1e-4, atol=1e-5)


class Echo:
    """A network that gives back, for pictures numbered by their first byte, what it was told."""

    def __init__(self, outputs: dict[int, list[float]]) -> None:
        self.outputs = outputs
        self.asked: list[int] = []

    def __call__(self, batch: NDArray[np.uint8], *, alone: bool = False) -> list[NDArray[Any]]:
        numbers = [int(picture[0, 0, 0]) for picture in batch]
        self.asked += numbers
        return [np.array([self.outputs[number] for number in numbers], np.float32)]


def logits(probabilities: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """What a head gives whose softmax are these."""
    return [np.log(probabilities)]


def numbered(count: int) -> NDArray[np.uint8]:
    """Pictures 0, 1, ... for an Echo."""
    return np.stack([np.full((2, 2, 3), number, np.uint8) for number in range(count)])


def test_close_answers_are_looked_at_again_and_only_those() -> None:
    rough = {0: [0.80, 0.20], 1: [0.52, 0.48], 2: [0.30, 0.70], 3: [0.46, 0.54]}
    exact = Echo({1: [0.49, 0.51], 3: [0.45, 0.55]})
    told = replace(manifest(None), labels=("A", "B"), head=(2, 2))
    model = Model(told, Echo(rough), logits, exact)  # type: ignore[arg-type]
    found = model.predict(numbered(4))
    assert exact.asked == [1, 3]
    assert [answer.label for answer in found] == ["A", "B", "B", "B"]
    assert [answer.confidence for answer in found] == [0.8, 0.51, 0.7, 0.55]


def test_answer_near_the_dog_threshold_is_looked_at_again() -> None:
    told = replace(manifest(DogScore(3, 1, 2, 0.3)), labels=("A", "B"), head=(2, 2))
    exact = Echo({1: [0.8, 0.2, 0.25]})
    # The last is surely no dog, so its breeds do not matter.
    rough = Echo({0: [0.9, 0.1, 0.9], 1: [0.9, 0.1, 0.35], 2: [0.5, 0.5, 0.05]})

    def two_heads(features: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return [*logits(features[:, :2]), features[:, 2]]

    model = Model(told, rough, two_heads, exact)  # type: ignore[arg-type]
    found = model.predict(numbered(3))
    assert exact.asked == [1]
    assert [answer.label for answer in found] == ["A", None, None]


@pytest.mark.parametrize("again", [True, False])
def test_mixed_package_is_int8_with_float32_behind_it(
    again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.model.multiplies_int8", lambda: True)
    monkeypatch.setattr("serving.model.CLOSE", 1.1 if again else 0.0)
    monkeypatch.setattr("serving.model.CLOSE_DOG", 1.1 if again else 0.0)
    write_package(tmp_path)
    batch = pictures(2, SPEC.crop)
    mixed, exact = (load(tmp_path, 1, p).predict(batch) for p in ("mixed", "float32"))
    assert (mixed == exact) == again


def test_mixed_is_float32_where_the_cpu_is_not_made_for_int8_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("serving.model.multiplies_int8", lambda: False)
    write_package(tmp_path)
    mixed, batch = load(tmp_path, 1, "mixed"), pictures(2, SPEC.crop)
    assert mixed.exact is None
    assert "float32 instead of mixed" in caplog.text
    assert mixed.predict(batch) == load(tmp_path, 1, "float32").predict(batch)


class RecordedNetwork(Network):
    """A network that writes down how it was compiled."""

    made: ClassVar[list[tuple[Precision, int, bool]]] = []

    def __init__(
        self,
        inputs: Node,
        outputs: list[Node],
        threads: int,
        precision: Precision,
        *,
        pinned: bool = True,
    ) -> None:
        self.made.append((precision, threads, pinned))
        super().__init__(inputs, outputs, threads, precision, pinned=pinned)


def test_lanes_keep_to_a_cpu_of_their_own_unless_two_backbones_share_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("serving.model.multiplies_int8", lambda: True)
    monkeypatch.setattr("serving.network.Network", RecordedNetwork)
    monkeypatch.setattr(RecordedNetwork, "made", [])
    write_package(tmp_path)
    load(tmp_path)
    assert RecordedNetwork.made == [("float32", 1, True)] * 2
    RecordedNetwork.made.clear()
    load(tmp_path, 2, "mixed")
    assert RecordedNetwork.made == [("int8", 2, False)] + [("float32", 2, False)] * 2
    assert "instead of mixed" not in caplog.text


def test_float32_is_no_news_where_the_cpu_is_not_made_for_int8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("serving.model.multiplies_int8", lambda: False)
    write_package(tmp_path)
    assert load(tmp_path, 1, "float32").exact is None
    assert "instead of mixed" not in caplog.text
