"""Every rule finds what it is for, and leaves a healthy training alone."""

import re
from pathlib import Path

import pytest

from tests.job.debugger.trainings import TRAININGS, Training, run
from training.debugger import RULES

# What training/debugger/README.md prints of each, with the figures that this seed comes to.
SAID = {
    "VanishingGradient": r"mean absolute gradient of 7\.\d+e-28, below 1e-07",
    "Overfit": "is 25% above the training loss",
    "Overtraining": r"has not improved by 0\.01 for 9 rounds",
    "PoorWeightInitialization": r"a ratio of 1\.4\d*e\+04, above 10",
    "LossNotDecreasing": r"less than 0\.1 % in 3 checks running",
    "ExplodingTensor": "holds nan",
    "DeadRelu": r"100\.0 % of the units",
}


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
            assert re.search(SAID[rule], state["StatusDetails"])


def test_trainings_cover_every_rule_both_ways() -> None:
    for triggers in (True, False):
        covered = {r for one in TRAININGS if one.triggers is triggers for r in one.rules.split()}
        assert covered == set(RULES)
