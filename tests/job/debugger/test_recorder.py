"""The recorder measures what it says, and leaves the training as it is."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training.debugger.hook_config import Interval
from training.debugger.recorder import (
    ACTIVATION_VALUES,
    GRADIENT_VALUES,
    Recorder,
    active,
    first_items,
    sample,
)
from training.debugger.smdebug_bridge import FollowedTrial, ModeKeys
from training.debugger.trial_files import StepTemplate, TrialFiles, write_collections
from training.debugger.writer import read_frames

ALL = {mode: Interval() for mode in ("train", "eval", "predict")}


class Net(nn.Module):
    """One frozen layer, one that is trained, a ReLU in place that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Linear(6, 6).requires_grad_(False)
        self.first = nn.Linear(6, 4)
        self.act = nn.ReLU(inplace=True)
        self.last = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, shape [batch, 3]."""
        hidden = self.act(self.first(self.act(self.frozen(x))))
        logits: torch.Tensor = self.last(hidden)
        return logits


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., FollowedTrial]:
    """Run `body(model, loss, optimizer, recorder)` under a recorder, return its trial."""

    def recorded(
        body: Callable[..., None], intervals: Mapping[str, Interval] = ALL
    ) -> FollowedTrial:
        torch.manual_seed(1)
        model, loss = Net(), nn.CrossEntropyLoss()
        frames: list[bytes] = []
        recorder = Recorder(model, loss, intervals, frames.append)
        write_collections(tmp_path, recorder.collections())
        body(model, loss, torch.optim.SGD(model.parameters(), lr=0.1), recorder)
        recorder.close()
        files, kinds = TrialFiles(tmp_path), dict[int, StepTemplate]()
        assert read_frames(b"".join(frames), kinds, files) == b""
        files.end()
        return FollowedTrial(tmp_path)

    return recorded


def train(model: nn.Module, loss: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    """Some steps on one batch."""
    x, y = torch.ones(8, 6), torch.arange(8) % 3
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()


def test_numbers_are_those_of_the_tensors(record: Callable[..., FollowedTrial]) -> None:
    seen = {}

    def body(model: Net, loss: nn.Module, optimizer: torch.optim.Optimizer, _: Recorder) -> None:
        seen["weight"] = model.last.weight.norm().item()
        train(model, loss, optimizer, 1)
        gradient = model.last.weight.grad
        assert gradient is not None
        seen["gradient"] = gradient.abs().mean().item()
        low, high = np.percentile(gradient.numpy(), (5, 95))
        seen["spread"] = high - low

    trial = record(body)

    assert trial.new_steps() == [0]
    gradient = trial.tensor("gradient/Net_last.weight")
    assert gradient.reduction_value(0, "mean", abs=True)[0] == pytest.approx(seen["gradient"])
    assert gradient.reduction_value(0, "spread")[0] == pytest.approx(seen["spread"], rel=1e-4)
    assert trial.tensor("Net_last.weight").reduction_value(0, "l2")[0] == pytest.approx(
        seen["weight"]
    )
    assert not any("frozen" in name for name in trial.names(0))
    # The first call's input comes from the frozen layer: no gradient reaches it.
    assert trial.names(0) >= {"Net_act_relu_input_0", "Net_act_relu_output_0"}
    assert "Net_act_relu_output_1" not in trial.names(0)


def test_modes_count_their_own_steps(record: Callable[..., FollowedTrial]) -> None:
    def body(
        model: Net, loss: nn.Module, optimizer: torch.optim.Optimizer, recorder: Recorder
    ) -> None:
        for _ in range(3):
            recorder.mode("train")
            train(model, loss, optimizer, 7)
            recorder.mode("eval")
            with torch.inference_mode():
                loss(model(torch.ones(2, 6)), torch.tensor([0, 1]))

    trial = record(body, {**ALL, "train": Interval(every=5)})
    steps = trial.new_steps()

    modes = [(trial.mode(step), trial.mode_step(step)) for step in steps]
    assert [step for mode, step in modes if mode == ModeKeys.TRAIN] == [0, 5, 10, 15, 20]
    assert [step for mode, step in modes if mode == ModeKeys.EVAL] == [0, 1, 2]
    assert steps == [0, 5, 7, 11, 15, 17, 22, 23]
    assert trial.names(7) == {"CrossEntropyLoss_output_0"}


def test_relu_inputs_are_recorded_in_the_first_steps_only(
    record: Callable[..., FollowedTrial],
) -> None:
    trial = record(lambda model, loss, optimizer, _: train(model, loss, optimizer, 14))
    steps = trial.new_steps()

    with_inputs = [step for step in steps if "Net_act_relu_input_0" in trial.names(step)]
    assert with_inputs == list(range(10))
    assert all("Net_act_relu_output_0" in trial.names(step) for step in steps)


def test_closed_recorder_leaves_no_hook(record: Callable[..., FollowedTrial]) -> None:
    kept: list[nn.Module] = []

    def body(model: Net, loss: nn.Module, optimizer: torch.optim.Optimizer, _: Recorder) -> None:
        train(model, loss, optimizer, 12)
        kept.extend([*model.modules(), loss])

    record(body)

    assert not any(module._forward_hooks or module._forward_pre_hooks for module in kept)


def test_activity_of_images_is_counted_by_channel() -> None:
    output = torch.zeros(2, 3, 4, 4)
    output[:, 1] = 5.0
    output[0, 2, :2] = 1.0

    assert active(output).tolist() == [0.0, 1.0, 0.25]


def test_large_gradients_are_sampled_evenly() -> None:
    gradient = torch.arange(1000 * 1003, dtype=torch.float64).reshape(1000, 1003)

    taken = sample(gradient)

    assert taken.numel() == GRADIENT_VALUES
    assert taken.mean().item() == pytest.approx(gradient.mean().item(), rel=0.07)
    assert sample(gradient[:10]).numel() == 10_030


def test_large_activations_are_bounded() -> None:
    images = torch.zeros(8, 64, 112, 112)

    assert first_items(images).shape[0] == 1
    assert first_items(images[:, :1]).shape[0] == 8
    assert first_items(torch.zeros(1 << 12, 1 << 8)).numel() == ACTIVATION_VALUES
