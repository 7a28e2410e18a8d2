"""The model: top-k, the dog threshold, heads, and that the fast form computes the same."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import serving
from serving.memory import keep_freed_memory
from serving.model import (
    BACKBONES,
    Classifier,
    Model,
    Prediction,
    build_head,
    optimised,
)
from serving.package import DogScore, Manifest
from tests.unit.serving.pictures import SPEC, manifest_for, write_package

LABELS = tuple("ABCDEFG")


class FixedLogits(nn.Module):
    """Stands in for a classifier whose outputs are known."""

    def __init__(self, breeds: torch.Tensor, dogs: torch.Tensor | None) -> None:
        super().__init__()
        self.outputs = (breeds, dogs)

    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.outputs


def manifest(score: DogScore | None) -> Manifest:
    return Manifest("test", "efficientnet_lite0", LABELS, (1280, 7), SPEC, score, "")


def predict(
    breeds: torch.Tensor, dogs: torch.Tensor | None, score: DogScore | None
) -> list[Prediction]:
    classifier = FixedLogits(breeds, dogs)
    model = Model(manifest(score), classifier)  # type: ignore[arg-type]  # a stand-in
    return model.predict(torch.zeros(len(breeds), 3, 8, 8))


def test_top_five_are_softmax_values_in_falling_order() -> None:
    logits = torch.tensor([[0.0, 3, 1, 2, -1, -2, 5]])
    (answer,) = predict(logits, None, None)
    assert [label for label, _ in answer.top] == ["G", "B", "D", "C", "A"]
    assert answer.label == "G"
    assert answer.confidence == answer.top[0][1]
    assert answer.confidence == pytest.approx(logits.softmax(1)[0, 6].item(), abs=1e-6)
    assert answer.dog_probability is None


def test_dog_probability_is_the_softmax_mass_on_the_dog_classes() -> None:
    dogs = torch.log(torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.1, 0.4]]))
    dog, other = predict(torch.zeros(2, 7), dogs, DogScore(4, 1, 2, threshold=0.3))
    assert dog.dog_probability == pytest.approx(0.5, abs=1e-6)
    assert dog.label in LABELS
    assert other.label is None
    assert other.dog_probability == pytest.approx(0.2, abs=1e-6)
    assert other.confidence == pytest.approx(0.8, abs=1e-6)
    assert len(other.top) == 5


@pytest.mark.parametrize("name", BACKBONES)
def test_optimised_model_computes_what_the_plain_one_does(name: str) -> None:
    torch.manual_seed(0)
    width = 2048 if name == "resnet50" else 1280
    classifier = Classifier(
        Manifest("test", name, LABELS, (width, 16, 7), SPEC, DogScore(9, 1, 2, 0.5), "")
    )
    for module in classifier.modules():  # as after training, not as at birth
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.get_buffer("running_mean"), -0.5, 0.5)
            nn.init.uniform_(module.get_buffer("running_var"), 0.5, 2)
    fast = optimised(classifier, crop=224)
    batch = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        for plain, quick in zip(classifier.eval()(batch), fast(batch), strict=True):
            torch.testing.assert_close(plain, quick, rtol=1e-3, atol=1e-3)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())


def test_head_has_relu_between_its_layers_only() -> None:
    kinds = [type(layer).__name__ for layer in build_head((8, 4, 2))]
    assert kinds == ["Linear", "ReLU", "Linear"]


def test_model_without_dog_score_has_no_dog_head() -> None:
    assert Classifier(manifest(None)).dog_head is None
    assert Classifier(manifest_for(b"")).dog_head is not None


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc")
def test_loading_leaves_no_worker_threads_to_compete_with_the_forward_thread(
    tmp_path: Path,
) -> None:
    write_package(tmp_path)
    script = (
        "import os, sys, torch; from pathlib import Path; from serving.model import load\n"
        "def threads(): return len(os.listdir('/proc/self/task'))\n"
        "before = threads(); load(Path(sys.argv[1]), threads=4)\n"
        "print(threads() - before, torch.get_num_threads())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=Path(serving.__path__[0]).parent, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.stdout.split() == ["0", "4"]


def test_allocator_is_tuned_where_it_is_glibcs() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
