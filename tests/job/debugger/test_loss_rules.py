"""Overfit, Overtraining and LossNotDecreasing at their thresholds and their patience."""

import math

import pytest

from tests.job.debugger.scripted import (
    EVAL,
    ScriptedTrial,
    Step,
    fired_at,
    loss_trial,
    losses,
    run,
)
from training.debugger.rules import LossNotDecreasing, Overfit, Overtraining
from training.debugger.smdebug_bridge import ModeKeys

OVER, FINE = (1.0, 2.0), (1.0, 1.0)


def rounds(*pairs: tuple[float, float]) -> ScriptedTrial:
    """Rounds of a train and an evaluation step each; the nth is judged at step 2n or the end."""
    return loss_trial(
        step for train, valid in pairs for step in (*losses([train]), *losses([valid], EVAL))
    )


# ------------------------------------------------------------------------------------- Overfit


@pytest.mark.parametrize(("validation", "fired"), [(2.199, None), (2.201, -1), (1.0, None)])
def test_validation_loss_over_a_tenth_above_the_training_loss_is_overfit(
    validation: float, fired: int | None
) -> None:
    assert fired_at(Overfit, rounds((2.0, validation))) == fired


@pytest.mark.parametrize(
    ("kinds", "patience", "fired"),
    [
        ([FINE, OVER, FINE], 1, 4),
        ([OVER, OVER, FINE], 2, 4),
        ([OVER, FINE, OVER, FINE, OVER], 2, None),
        ([OVER, OVER, FINE, OVER, OVER, OVER], 3, -1),
        ([OVER, OVER], 3, None),
    ],
)
def test_overfit_needs_as_many_rounds_running_as_its_patience(
    kinds: list[tuple[float, float]], patience: int, fired: int | None
) -> None:
    assert fired_at(Overfit, rounds(*kinds), patience=patience) == fired


def test_rounds_before_the_start_step_and_without_a_training_loss_are_not_judged() -> None:
    trial = rounds(OVER, OVER, FINE)
    assert fired_at(Overfit, trial, start_step=1) == 2
    assert fired_at(Overfit, trial, start_step=2) == 4
    assert fired_at(Overfit, trial, start_step=4) is None
    assert fired_at(Overfit, rounds((0.0, 1.0), (-1.0, 1.0))) is None


def test_overfit_says_its_losses_its_round_and_its_threshold() -> None:
    fired, rule = run(Overfit, rounds(FINE, (2.0, 3.0), (2.0, 3.5)), patience=2)

    assert fired == -1
    assert rule.parameters == {"start_step": 0, "patience": 2, "ratio_threshold": 0.1}
    assert list(rule.datapoints) == [
        {"step": 1, "train_loss": 1.0, "validation_loss": 1.0, "ratio": 0.0},
        {"step": 3, "train_loss": 2.0, "validation_loss": 3.0, "ratio": 0.5},
        {"step": 5, "train_loss": 2.0, "validation_loss": 3.5, "ratio": 0.75},
    ]
    assert rule.details == (
        "validation loss 3.5 is 75% above the training loss 2 in round 3; more than 10% in "
        "2 round(s) running"
    )


def test_overfits_threshold_can_be_given() -> None:
    assert fired_at(Overfit, rounds(OVER), ratio_threshold=1.0) is None
    assert fired_at(Overfit, rounds(OVER), ratio_threshold=0.99) == -1


# -------------------------------------------------------------------------------- Overtraining


@pytest.mark.parametrize(("standing", "fired"), [(9, None), (10, -1), (11, 22)])
def test_overtraining_is_ten_rounds_in_which_neither_loss_got_better(
    standing: int, fired: int | None
) -> None:
    assert fired_at(Overtraining, rounds(*[FINE] * (1 + standing))) == fired


@pytest.mark.parametrize(
    ("train", "validation", "fired"),
    [
        (lambda n: 1.0, lambda n: 1.0, 8),  # three rounds after the first
        (lambda n: 1.0 - n / 50, lambda n: 1.0, None),  # the training loss still falls
        (lambda n: 1.0, lambda n: 1.0 - n / 50, None),  # the validation loss still falls
        (lambda n: 1.0 - n / 101, lambda n: 1.0 - n / 101, None),  # slowly, but by 0.01 in two
        (lambda n: 1.0 + n, lambda n: 1.0 + n, 8),
    ],
)
def test_overtraining_waits_for_both_losses(train: object, validation: object, fired: int) -> None:
    pairs = [(train(n), validation(n)) for n in range(12)]  # type: ignore[operator]
    found = fired_at(Overtraining, rounds(*pairs), patience_train=3, patience_validation=3)
    assert found == fired


@pytest.mark.parametrize(("train", "validation", "fired"), [(2, 4, 10), (4, 2, 10), (1, 1, 4)])
def test_the_longer_patience_decides(train: int, validation: int, fired: int) -> None:
    trial = rounds(*[FINE] * 9)
    found = fired_at(Overtraining, trial, patience_train=train, patience_validation=validation)
    assert found == fired


def test_training_loss_is_given_five_rounds_to_get_better() -> None:
    assert fired_at(Overtraining, rounds(*[FINE] * 9), patience_validation=1) == 12


@pytest.mark.parametrize(("train", "validation"), [(3, 1), (1, 3)])
def test_loss_that_never_was_a_number_has_not_got_better_since_the_start(
    train: int, validation: int
) -> None:
    trial = rounds(*[(math.nan, math.nan)] * 5)
    found = fired_at(Overtraining, trial, patience_train=train, patience_validation=validation)
    assert found == 6


@pytest.mark.parametrize(("fall", "fired"), [(0.25, 6), (0.251, 8)])
def test_loss_gets_better_by_more_than_delta_only(fall: float, fired: int) -> None:
    pairs = [(1.0, 1.0), (1.0 - fall, 1.0 - fall), *[(1.0, 1.0)] * 4]
    found = fired_at(
        Overtraining, rounds(*pairs), patience_train=2, patience_validation=2, delta=0.25
    )
    assert found == fired


def test_overtraining_says_how_long_and_what_was_best() -> None:
    pairs = [(1.0, 2.0), (0.5, 2.5), (0.7, 2.6), (0.6, 2.7)]
    fired, rule = run(Overtraining, rounds(*pairs), patience_train=2, patience_validation=3)

    assert fired == -1
    assert rule.parameters == {"patience_train": 2, "patience_validation": 3, "delta": 0.01}
    assert list(rule.datapoints)[-1] == {"step": 7, "train_loss": 0.6, "validation_loss": 2.7}
    assert rule.details == (
        "in round 4 the training loss (0.6, best 0.5) has not improved by 0.01 for 2 rounds, the "
        "validation loss (2.7, best 2) for 3"
    )


# --------------------------------------------------------------------------- LossNotDecreasing


def flat(count: int, mode: ModeKeys = ModeKeys.TRAIN) -> list[Step]:
    return losses([1.0] * count, mode)


@pytest.mark.parametrize(("steps", "fired"), [(39, None), (40, 39)])
def test_loss_that_stands_is_an_issue_at_the_third_check_in_a_row(
    steps: int, fired: int | None
) -> None:
    # Ten steps a check; the first with something to compare is the twentieth step.
    assert fired_at(LossNotDecreasing, loss_trial(flat(steps))) == fired


def test_check_that_shows_a_fall_begins_the_count_anew() -> None:
    tens = [1.0, 1.0, 1.0, *[0.5] * 5]
    trial = loss_trial(losses([loss for loss in tens for _ in range(10)]))
    assert fired_at(LossNotDecreasing, trial) == 79


@pytest.mark.parametrize(("fall_percent", "fired"), [(0.101, None), (0.0999, 39)])
def test_loss_must_fall_by_a_thousandth(fall_percent: float, fired: int | None) -> None:
    tens = [(1 - fall_percent / 100) ** n for n in range(4)]
    trial = loss_trial(losses([loss for loss in tens for _ in range(10)]))
    assert fired_at(LossNotDecreasing, trial) == fired


@pytest.mark.parametrize(("now", "fired"), [(1.0499, None), (1.0501, 19)])
def test_rise_over_five_per_cent_is_an_issue_at_once(now: float, fired: int | None) -> None:
    assert fired_at(LossNotDecreasing, loss_trial(losses([1.0] * 10 + [now] * 10))) == fired


@pytest.mark.parametrize(("spread", "fired"), [(0.167, 19), (0.168, None)])
@pytest.mark.parametrize("unit", [0.1, 1.0, 10.0])
def test_rise_must_exceed_what_is_allowed_by_two_standard_errors(
    unit: float, spread: float, fired: int | None
) -> None:
    # A rise of 20 %, 15 % more than allowed. The error is the spread * sqrt(2 / 10).
    before = [1.0 + spread, 1.0 - spread] * 5
    now = [1.2 + spread, 1.2 - spread] * 5
    assert (100 * 2 * spread * math.sqrt(0.2) < 15) == (fired is not None)
    trial = loss_trial(losses([unit * loss for loss in before + now]))
    assert fired_at(LossNotDecreasing, trial) == fired


def test_rise_of_what_is_allowed_and_fall_of_what_is_wanted_are_no_issue() -> None:
    rising = loss_trial(losses([1.0, 1.0, 1.25, 1.25]))
    assert fired_at(LossNotDecreasing, rising, num_steps=2, increase_threshold_percent=25) is None
    falling = loss_trial(losses([0.75**n for n in range(4) for _ in range(2)]))
    assert fired_at(LossNotDecreasing, falling, num_steps=2, diff_percent=25) is None


def test_window_grows_to_a_quarter_of_the_steps() -> None:
    _, rule = run(LossNotDecreasing, loss_trial(losses([0.9**n for n in range(120)])))

    assert [(p["step"], p["window"]) for p in rule.datapoints] == [
        *((step, 10) for step in (19, 29, 39)),
        *((step, (step + 1) // 4) for step in range(49, 120, 10)),
    ]
    last = list(rule.datapoints)[-1]
    assert last["now"] == pytest.approx(sum(0.9**n for n in range(90, 120)) / 30)
    assert last["before"] == pytest.approx(sum(0.9**n for n in range(60, 90)) / 30)
    assert last["fall_percent"] == pytest.approx(100 * (1 - 0.9**30))


@pytest.mark.parametrize(
    ("steps", "mode", "fired"),
    [
        ([*flat(40, EVAL)], None, 39),
        ([*flat(40, ModeKeys.GLOBAL)], None, 39),
        ([*flat(1), *flat(60, EVAL)], None, None),  # a train step was seen: it decides
        ([*flat(1, ModeKeys.GLOBAL), *flat(60, EVAL)], None, None),
        ([*flat(40)], "EVAL", None),
        ([*flat(1), *flat(40, EVAL)], "EVAL", 40),
        ([*flat(40, ModeKeys.PREDICT)], None, None),
    ],
)
def test_train_steps_decide_or_else_global_ones_or_else_evaluations(
    steps: list[Step], mode: str | None, fired: int | None
) -> None:
    assert fired_at(LossNotDecreasing, loss_trial(steps), mode=mode) == fired


def test_losses_can_be_named_by_a_regex() -> None:
    steps = [Step(tensors={"my_loss": [1.0, 3.0], "other_loss": 2.0, "w": 0.0})] * 40
    trial = ScriptedTrial(steps)

    assert fired_at(LossNotDecreasing, trial) is None
    fired, rule = run(LossNotDecreasing, trial, tensor_regex="_loss$", use_losses_collection=False)
    assert fired == 39
    assert rule.datapoints[0]["now"] == 2.0
    assert fired_at(LossNotDecreasing, trial, tensor_regex="^not_recorded$") is None
    with pytest.raises(ValueError, match="needs tensor_regex or use_losses_collection"):
        run(LossNotDecreasing, trial, use_losses_collection=False)


def test_steps_and_percentages_can_be_given() -> None:
    trial = loss_trial(losses([1.0, 1.0, 0.8, 0.8, 0.6, 0.6, 0.5, 0.5]))
    given = {"num_steps": 2, "diff_percent": 30.0}
    assert fired_at(LossNotDecreasing, trial, **given) == 7
    assert fired_at(LossNotDecreasing, trial, num_steps=2, diff_percent=10.0) is None
    rising = loss_trial(losses([1.0, 1.0, 1.5, 1.5]))
    assert fired_at(LossNotDecreasing, rising, num_steps=2, increase_threshold_percent=51) is None
    assert fired_at(LossNotDecreasing, rising, num_steps=2, increase_threshold_percent=49) == 3


def test_rule_says_what_it_compared() -> None:
    _, rule = run(LossNotDecreasing, loss_trial(flat(40)))
    assert rule.details == (
        "mean TRAIN loss of the last 10 steps 1, of the 10 before 1: it fell by 0.00 %, less than "
        "0.1 % in 3 checks running"
    )
    assert rule.parameters == {
        "tensor_regex": None,
        "use_losses_collection": True,
        "num_steps": 10,
        "diff_percent": 0.1,
        "increase_threshold_percent": 5.0,
        "mode": None,
    }
    _, rule = run(LossNotDecreasing, loss_trial(losses([1.0] * 10 + [1.5] * 10)))
    assert rule.details == (
        "mean TRAIN loss of the last 10 steps 1.5, of the 10 before 1: it rose by 50.00 %"
    )
