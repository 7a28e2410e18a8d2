"""Every rule finds what it is for, and leaves a healthy training alone."""

from pathlib import Path

import pytest

from tests.job.debugger.trainings import TRAININGS, Training, run
from training.debugger import RULES


@pytest.mark.parametrize("training", TRAININGS, ids=lambda one: f"{one.rules}: {one.what}")
def test_training_of_a_kind_gets_its_verdict(training: Training, tmp_path: Path) -> None:
    states = run(training, tmp_path)

    for rule, state in states.items():
        assert state["RuleEvaluationStatus"] == training.expected, state
        assert state["RuleConfigurationName"] == rule
        assert state["Datapoints"] or not training.triggers
        assert (state["Step"] is not None) == training.triggers
        if training.triggers:
            assert state["StatusDetails"].startswith(f"step {state['Step']}: ")


def test_trainings_cover_every_rule_both_ways() -> None:
    for triggers in (True, False):
        covered = {r for one in TRAININGS if one.triggers is triggers for r in one.rules.split()}
        assert covered == set(RULES)
