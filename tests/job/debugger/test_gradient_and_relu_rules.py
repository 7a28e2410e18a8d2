"""VanishingGradient and DeadRelu at their thresholds."""

import numpy as np
import numpy.typing as npt
import pytest

from tests.job.debugger.scripted import EVAL, TRAIN, Collection, ScriptedTrial, Step, fired_at, run
from training.debugger.rules import DeadRelu, VanishingGradient
from training.debugger.smdebug_bridge import ModeKeys

GRADIENTS = Collection(include_regex=["^gradient/"])


def gradients(*means: float, loss: float = 1.0, mode: ModeKeys = TRAIN) -> Step:
    """A step with that mean absolute value of each gradient, and a mean of zero."""
    summaries = {
        f"gradient/{index}": {("mean", True): [mean], ("mean", False): [0.0]}
        for index, mean in enumerate(means)
    }
    return Step(mode, {"loss": loss}, summaries)


def gradient_trial(*steps: Step) -> ScriptedTrial:
    return ScriptedTrial(steps, gradients=GRADIENTS, losses=Collection(["loss"]))


@pytest.mark.parametrize(
    ("least", "fired"), [(9e-8, 1), (1e-7, None), (1.1e-7, None), (0.0, 1), (float("nan"), None)]
)
def test_one_gradient_below_the_threshold_is_enough(least: float, fired: int | None) -> None:
    assert (
        fired_at(VanishingGradient, gradient_trial(gradients(1, 1), gradients(1, least))) == fired
    )


def test_threshold_of_vanishing_gradients_can_be_given() -> None:
    trial = gradient_trial(gradients(0.2))

    assert fired_at(VanishingGradient, trial, threshold=0.1) is None
    assert fired_at(VanishingGradient, trial, threshold=0.3) == 0


@pytest.mark.parametrize(
    "step", [gradients(0.0, loss=0.0), gradients(0.0, mode=EVAL), gradients()], ids=str
)
def test_nothing_vanishes_without_a_loss_or_gradients_of_a_train_step(step: Step) -> None:
    assert fired_at(VanishingGradient, gradient_trial(step)) is None


def test_vanished_gradient_is_named_with_its_value_and_how_many_there_are() -> None:
    fired, rule = run(VanishingGradient, gradient_trial(gradients(1, 3e-9, 2e-8, 1e-7)))

    assert fired == 0
    assert rule.parameters == {"threshold": 1e-7}
    assert list(rule.datapoints) == [{"step": 0, "tensor": "gradient/1", "mean_absolute": 3e-9}]
    assert rule.details == (
        "gradient/1 has a mean absolute gradient of 3e-09, below 1e-07 (2 of 4 gradients)"
    )


def relus(dead: int, alive: int, mode: ModeKeys = TRAIN, active: float = 0.5) -> Step:
    """A layer of `alive` units that are active in a share of their outputs, and dead ones."""
    shares = [active] * alive + [0.0] * dead
    return Step(mode, summaries={"net_relu_output_0": {("active", False): shares}})


@pytest.mark.parametrize(("dead", "fired"), [(50, None), (51, 0), (0, None), (100, 0)])
def test_layer_is_dead_when_more_than_half_its_units_are(dead: int, fired: int | None) -> None:
    assert fired_at(DeadRelu, ScriptedTrial([relus(dead, 100 - dead)])) == fired


@pytest.mark.parametrize(("active", "fired"), [(0.0099, 0), (0.01, None)])
def test_unit_is_dead_below_one_per_cent_of_its_outputs(active: float, fired: int | None) -> None:
    assert fired_at(DeadRelu, ScriptedTrial([relus(0, 10, active=active)])) == fired


def test_thresholds_and_names_of_relus_can_be_given() -> None:
    trial = ScriptedTrial([relus(2, 8, active=0.3)])

    assert fired_at(DeadRelu, trial, threshold_layer=19.0) == 0
    assert fired_at(DeadRelu, trial, threshold_inactivity=31.0) == 0
    assert fired_at(DeadRelu, trial, threshold_layer=19.0, tensor_regex="gelu") is None


def test_only_train_steps_show_dead_units() -> None:
    assert fired_at(DeadRelu, ScriptedTrial([relus(9, 1, EVAL), Step(), relus(9, 1)])) == 2


def test_worst_layer_is_named_with_its_share() -> None:
    layers = {
        "a_relu_output_0": {("active", False): [0.5, 0.5, 0.5, 0.0]},
        "b_relu_output_0": {("active", False): [0.5, 0.0, 0.0, 0.0]},
        "c_relu_output_0": {("active", False): [0.5, 0.5, 0.0, 0.0]},
    }

    fired, rule = run(DeadRelu, ScriptedTrial([Step(summaries=layers)]))

    assert fired == 0
    assert rule.parameters == {
        "tensor_regex": ".*relu_output",
        "threshold_inactivity": 1.0,
        "threshold_layer": 50.0,
    }
    assert list(rule.datapoints) == [{"step": 0, "tensor": "b_relu_output_0", "dead_percent": 75.0}]
    assert rule.details == (
        "75.0 % of the units of b_relu_output_0 are active in less than 1 % of their outputs"
    )


def output(shape: tuple[int, ...], dead: tuple[slice | int, ...]) -> npt.NDArray[np.float64]:
    values = np.ones(shape)
    values[dead] = 0
    return values


@pytest.mark.parametrize(
    ("whole", "share"),
    [
        (output((8, 4), (slice(None), 0)), 25),  # [batch, units]
        (output((2, 4, 3, 5), (slice(None), 0)), 25),  # [batch, channels, height, width]
        (output((2, 3, 4), (slice(None), slice(None), 0)), 25),  # [batch, tokens, units]
        (output((8, 4), (0, slice(None))), 0),
        (-output((8, 4), (0, 0)), 100),
    ],
)
def test_units_of_whole_tensors_are_columns_or_channels(
    whole: npt.NDArray[np.float64], share: float
) -> None:
    _, rule = run(DeadRelu, ScriptedTrial([Step(tensors={"net_relu_output_0": whole})]))

    assert [point["dead_percent"] for point in rule.datapoints] == [share]
