"""What the rules share: which tensors belong to a step, its loss, and what a round is."""

from typing import cast

import pytest

from tests.job.debugger.scripted import (
    EVAL,
    TRAIN,
    Collection,
    ScriptedTrial,
    Step,
    loss_trial,
    losses,
    run,
)
from training.debugger.rules.base import RoundRule, StepRule
from training.debugger.smdebug_bridge import FollowedTrial, ModeKeys
from training.debugger.status import MAX_DATAPOINTS


class Indifferent(StepRule):
    """Finds nothing."""

    def invoke_at_step(self, step: int) -> bool:
        return False


def step_rule(trial: ScriptedTrial) -> StepRule:
    return Indifferent(cast(FollowedTrial, trial), threshold=3)


class Rounds(RoundRule):
    """Notes each round, and finds an issue in a chosen one."""

    def round_ended(self, step: int, train_loss: float, validation_loss: float) -> bool:
        self.note(step=step, train=train_loss, validation=validation_loss, round=self.rounds)
        return self.rounds == self.parameters.get("fires_in") and self.found("here")


def test_new_rule_knows_its_parameters_and_has_found_nothing() -> None:
    rule = step_rule(ScriptedTrial([]))

    assert rule.parameters == {"threshold": 3}
    assert (rule.details, list(rule.datapoints), rule.at_end()) == ("", [], False)


def test_what_is_found_and_noted_is_kept() -> None:
    rule = step_rule(ScriptedTrial([]))

    assert rule.found("why") is True
    rule.note(step=4, value=2.5)

    assert rule.details == "why"
    assert list(rule.datapoints) == [{"step": 4, "value": 2.5}]


def test_only_the_newest_data_points_are_kept() -> None:
    rule = step_rule(ScriptedTrial([]))
    for step in range(MAX_DATAPOINTS + 2):
        rule.note(step=step)

    kept = [point["step"] for point in rule.datapoints]

    assert kept == list(range(2, MAX_DATAPOINTS + 2))


def test_regex_matches_names_of_that_step_only_anywhere_in_them() -> None:
    rule = step_rule(ScriptedTrial([Step(tensors={"b_relu_1": 0, "a_relu_0": 0, "fc": 0}), Step()]))

    assert rule.matching(0, "relu_.") == ["a_relu_0", "b_relu_1"]
    assert rule.matching(0, "^relu") == []
    assert rule.matching(1, "relu_.") == []
    assert rule.matching(0, "relu_.") == ["a_relu_0", "b_relu_1"]


def test_collection_holds_named_and_matching_tensors_of_that_step() -> None:
    tensors = {"z": 0, "gradient/b": 0, "gradient/a": 0, "other": 0}
    collection = Collection(["z", "not_recorded"], ["^gradient/"])
    rule = step_rule(ScriptedTrial([Step(tensors=tensors), Step()], chosen=collection))

    assert rule.collection(0, "chosen") == ["gradient/a", "gradient/b", "z"]
    assert rule.collection(1, "chosen") == []


def test_collection_without_regexes_holds_its_names() -> None:
    rule = step_rule(ScriptedTrial([Step(tensors={"z": 0, "y": 0})], chosen=Collection(["z"])))

    assert rule.collection(0, "chosen") == ["z"]


@pytest.mark.parametrize(("absolute", "expected"), [(False, 0.5), (True, 1.5)])
def test_reduction_is_computed_where_the_whole_tensor_is_there(
    absolute: bool, expected: float
) -> None:
    rule = step_rule(ScriptedTrial([Step(tensors={"w": [-1.0, 2.0]})]))

    assert rule.reduction("w", 0, "mean", absolute) == expected


def test_reduction_is_of_plain_values_unless_asked_otherwise() -> None:
    summaries = {"w": {("mean", False): [-2.0], ("mean", True): [3.0]}}
    rule = step_rule(ScriptedTrial([Step(summaries=summaries)]))

    assert rule.reduction("w", 0, "mean") == -2
    assert rule.reduction("w", 0, "mean", absolute=True) == 3


def test_loss_is_the_mean_of_a_steps_losses_and_none_without_one() -> None:
    steps = [Step(tensors={"one": [1.0, 3.0], "two": 6.0, "w": 100.0}), Step(tensors={"w": 100.0})]
    rule = step_rule(ScriptedTrial(steps, losses=Collection(["one", "two"])))

    assert rule.loss(0) == 4
    assert rule.loss(1) is None


def test_round_is_the_means_of_its_train_and_evaluation_steps() -> None:
    steps = [*losses([4, 2]), *losses([5, 7], EVAL), *losses([1]), *losses([8], EVAL)]

    fired, rule = run(Rounds, loss_trial(steps))

    assert fired is None
    assert list(rule.datapoints) == [
        {"step": 3, "train": 3, "validation": 6, "round": 1},
        {"step": 5, "train": 1, "validation": 8, "round": 2},
    ]


def test_issue_of_a_round_is_found_when_the_next_begins() -> None:
    steps = [*losses([1, 1]), *losses([2], EVAL), *losses([1, 1]), *losses([2], EVAL)]

    assert run(Rounds, loss_trial(steps), fires_in=1)[0] == 3


def test_issue_of_the_last_round_is_found_at_the_end() -> None:
    steps = [*losses([1, 1]), *losses([2], EVAL), *losses([1, 1]), *losses([2], EVAL)]

    fired, rule = run(Rounds, loss_trial(steps), fires_in=2)

    assert (fired, rule.details) == (-1, "here")


def test_training_that_ends_before_its_evaluation_is_no_round() -> None:
    fired, rule = run(Rounds, loss_trial(losses([1, 2])), fires_in=1)

    assert (fired, list(rule.datapoints)) == (None, [])


def test_evaluation_before_any_training_is_counted_but_not_judged() -> None:
    steps = [*losses([9], EVAL), *losses([1]), *losses([2], EVAL)]

    fired, rule = run(Rounds, loss_trial(steps))

    assert fired is None
    assert list(rule.datapoints) == [{"step": 2, "train": 1, "validation": 2, "round": 2}]


def test_steps_of_other_modes_or_without_a_loss_are_left_out_of_a_round() -> None:
    steps = [
        *losses([100], ModeKeys.PREDICT),
        *losses([1]),
        Step(TRAIN),
        *losses([3], EVAL),
        Step(EVAL),
        *losses([100], ModeKeys.PREDICT),
    ]

    fired, rule = run(Rounds, loss_trial(steps))

    assert fired is None
    assert list(rule.datapoints) == [{"step": 3, "train": 1, "validation": 3, "round": 1}]


def test_rounds_of_an_earlier_attempt_are_counted_and_judged() -> None:
    rule = Rounds(cast(FollowedTrial, ScriptedTrial([])), fires_in=3)

    found = [rule.earlier_round(step, 1.0, 2.0) for step in (4, 9, 14)]

    assert found == [False, False, True]
    assert list(rule.datapoints) == [
        {"step": step, "train": 1.0, "validation": 2.0, "round": number}
        for number, step in enumerate((4, 9, 14), start=1)
    ]


def test_rule_that_looks_at_steps_finds_nothing_in_earlier_rounds() -> None:
    assert step_rule(ScriptedTrial([])).earlier_round(4, 1.0, 100.0) is False


def test_round_rule_must_say_what_it_looks_for() -> None:
    with pytest.raises(NotImplementedError):
        run(RoundRule, loss_trial([*losses([1]), *losses([1], EVAL)]))
