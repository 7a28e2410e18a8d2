"""PoorWeightInitialization and ExplodingTensor at their thresholds."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.job.debugger.scripted import EVAL, TRAIN, Collection, ScriptedTrial, Step, fired_at, run
from training.debugger.rules import ExplodingTensor, PoorWeightInitialization

NAN, INF = float("nan"), float("inf")
GRADIENTS = Collection(include_regex=["^gradient/"])


def variances(*values: float) -> dict[str, dict[tuple[str, bool], list[float]]]:
    return {f"{i}_relu_input_0": {("variance", False): [value]} for i, value in enumerate(values)}


def spreads(*values: float | None) -> dict[str, Any]:
    """Gradients with a spread, and such that have none because they are vectors."""
    kinds: list[Mapping[tuple[str, bool], list[float]]] = [
        {("mean", True): [1.0]} if value is None else {("spread", False): [value]}
        for value in values
    ]
    return {f"gradient/{index}": kind for index, kind in enumerate(kinds)}


def start(*steps: Step) -> ScriptedTrial:
    trial = ScriptedTrial(steps, gradients=GRADIENTS, losses=Collection(["loss"]))
    trial.summaries = True
    return trial


@pytest.mark.parametrize(
    ("values", "fired"),
    [
        ((1.0, 10.0), None),
        ((1.0, 10.1), 0),
        ((10.1, 3.0, 1.0), 0),
        ((0.0, 1e-9), 0),  # an infinite ratio
        ((1e9,), None),
        ((), None),
    ],
)
def test_layers_whose_variances_differ_tenfold_started_badly(
    values: tuple[float, ...], fired: int | None
) -> None:
    assert fired_at(PoorWeightInitialization, start(Step(summaries=variances(*values)))) == fired


def test_layers_are_named_with_their_variances() -> None:
    trial = start(Step(summaries=variances(2.0, 0.5, 16.0)))
    _, rule = run(PoorWeightInitialization, trial)

    assert list(rule.datapoints) == [
        {"step": 0, "largest": "2_relu_input_0", "least": "1_relu_input_0", "variance_ratio": 32.0}
    ]
    assert rule.details == (
        "variance of activation inputs: 16 in 2_relu_input_0, 0.5 in 1_relu_input_0: a ratio of "
        "32, above 10"
    )
    assert rule.parameters == {
        "activation_inputs_regex": ".*relu_input",
        "threshold": 10.0,
        "distribution_range": 0.001,
        "patience": 5,
        "steps": 10,
    }


@pytest.mark.parametrize(
    ("values", "fired"),
    [((0.001,), None), ((0.00099,), 0), ((1.0, None, 0.0009), 0), ((None, 1.0), None), ((), None)],
)
def test_gradients_that_lie_within_a_thousandth_started_badly(
    values: tuple[float | None, ...], fired: int | None
) -> None:
    assert fired_at(PoorWeightInitialization, start(Step(summaries=spreads(*values)))) == fired


def test_gradient_is_named_with_its_spread() -> None:
    _, rule = run(PoorWeightInitialization, start(Step(summaries=spreads(1.0, None, 0.0005))))

    assert list(rule.datapoints) == [
        {"step": 0, "tensor": "gradient/0", "spread": 1.0},
        {"step": 0, "tensor": "gradient/2", "spread": 0.0005},
    ]
    assert rule.details == "90 % of the values of gradient/2 lie within 0.0005, less than 0.001"


def test_spread_of_whole_tensors_is_from_the_5th_to_the_95th_percentile() -> None:
    matrix = np.arange(101.0).reshape(1, 101)
    tensors = {"gradient/a": matrix, "gradient/b": np.zeros(9)}
    trial = ScriptedTrial([Step(tensors=tensors)], gradients=GRADIENTS)

    fired, rule = run(PoorWeightInitialization, trial)

    assert fired is None
    assert list(rule.datapoints) == [{"step": 0, "tensor": "gradient/a", "spread": 90.0}]


def fresh_losses(*values: float | None) -> ScriptedTrial:
    return start(*(Step(tensors={} if v is None else {"loss": v}) for v in values))


@pytest.mark.parametrize(
    ("values", "fired"),
    [
        ((3.0, 3.0, 3.0, 3.0, 3.0, 3.0), 5),
        ((3.0, 4.0, 5.0, 6.0, 7.0), None),
        ((3.0, 4.0, 3.5, 3.2, 3.1, 3.0, 2.0), 5),
        ((3.0, 4.0, 4.0, 4.0, 4.0, 2.9, 3.0, 3.0, 3.0, 3.0), None),
        ((3.0, None, None, None, None, None, None), None),
        ((NAN,) * 6, 4),  # from the first step on
    ],
)
def test_loss_that_does_not_fall_for_five_steps_started_badly(
    values: tuple[float | None, ...], fired: int | None
) -> None:
    assert fired_at(PoorWeightInitialization, fresh_losses(*values)) == fired


def test_standing_loss_is_said_with_the_least_one() -> None:
    _, rule = run(PoorWeightInitialization, fresh_losses(4.0, 3.0, 5.0, 3.5), patience=2)

    assert rule.details == "the loss (3.5) has not fallen below 3 for 2 of the first steps"
    assert list(rule.datapoints)[-1] == {"step": 3, "loss": 3.5}


@pytest.mark.parametrize(("before", "fired"), [(9, 9), (10, None)])
def test_only_the_first_ten_train_steps_are_looked_at(before: int, fired: int | None) -> None:
    fine, bad = Step(), Step(summaries=variances(1, 99))
    assert fired_at(PoorWeightInitialization, start(*[fine] * before, bad)) == fired


def test_evaluation_steps_neither_count_nor_are_looked_at() -> None:
    bad = variances(1, 99)
    trial = start(*[Step(EVAL, summaries=bad)] * 12, *[Step(TRAIN)] * 9, Step(TRAIN, summaries=bad))
    assert fired_at(PoorWeightInitialization, trial) == 21


def test_thresholds_of_the_start_can_be_given() -> None:
    ratio = start(Step(summaries=variances(1, 20)))
    assert fired_at(PoorWeightInitialization, ratio, threshold=20) is None
    assert fired_at(PoorWeightInitialization, ratio, activation_inputs_regex="gelu") is None
    spread = start(Step(summaries=spreads(0.5)))
    assert fired_at(PoorWeightInitialization, spread, distribution_range=0.6) == 0
    late = start(Step(), Step(summaries=variances(1, 20)))
    assert fired_at(PoorWeightInitialization, late, steps=1) is None


@pytest.mark.parametrize(
    ("value", "only_nan", "fired"),
    [
        (NAN, False, 0),
        (NAN, True, 0),
        (INF, False, 0),
        (-INF, False, 0),
        (INF, True, None),
        (1e300, False, None),
    ],
)
def test_tensor_explodes_with_one_value_that_is_not_finite(
    value: float, only_nan: bool, fired: int | None
) -> None:
    whole = start(Step(tensors={"a": [[0.0, 1.0], [value, 2.0]]}))
    summary = start(Step(summaries={"a": {("mean", False): [1.0], ("norm", True): [value]}}))

    for trial in (whole, summary):
        assert fired_at(ExplodingTensor, trial, only_nan=only_nan) == fired


def test_tensor_of_any_mode_may_explode_and_is_named() -> None:
    fine = Step(tensors={"a": 1.0})
    fired, rule = run(ExplodingTensor, start(fine, Step(EVAL, {"b": 1.0, "a": INF}), fine))

    assert fired == 1
    assert list(rule.datapoints) == [{"step": 1, "tensor": "a", "value": math.inf}]
    assert rule.details == "a holds inf"
    assert rule.parameters == {"collection_names": None, "tensor_regex": None, "only_nan": False}


@pytest.mark.parametrize(
    ("parameters", "fired"),
    [
        ({"tensor_regex": "^w"}, 0),
        ({"tensor_regex": "^x"}, None),
        ({"collection_names": "mine"}, 0),
        ({"collection_names": "others"}, None),
        ({"collection_names": "others,mine"}, 0),
        ({"collection_names": "others", "tensor_regex": "^w"}, 0),
    ],
)
def test_tensors_can_be_chosen_by_collection_and_by_name(
    parameters: dict[str, str], fired: int | None
) -> None:
    trial = ScriptedTrial(
        [Step(tensors={"w": NAN, "x": 1.0})], mine=Collection(["w"]), others=Collection(["x"])
    )
    assert fired_at(ExplodingTensor, trial, **parameters) == fired
