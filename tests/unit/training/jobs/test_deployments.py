"""Which deployment served when, and what the registry takes of a model's facts."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from training.jobs.deployments import Log, day_of, serving_at, serving_on
from training.jobs.errors import CommandError, UsageError
from training.jobs.registry import properties_of

# Newest first, as the log gives them.
ITEMS = [
    {"at": f"2026-03-{day}T{hour}:00:00.000000Z", "model_version": version}
    for day, hour, version in (("05", "09", "c"), ("03", "12", "b"), ("01", "10", "a"))
]


@pytest.mark.parametrize(
    ("day", "served"),
    [(1, "a"), (2, "a"), (3, "ba"), (4, "b"), (5, "cb"), (9, "c")],
)
def test_day_has_the_models_that_served_at_some_time_of_it(day: int, served: str) -> None:
    found = serving_on(ITEMS, date(2026, 3, day))
    assert [item["model_version"] for item in found] == list(served)


def test_nothing_served_before_the_first_deployment() -> None:
    assert serving_on(ITEMS, date(2026, 2, 28)) == []
    assert serving_at(ITEMS, "2026-03-01T09:59:59.000000Z") is None


def test_row_belongs_to_the_deployment_before_it() -> None:
    found = serving_at(ITEMS, "2026-03-05T08:59:59.999999Z")
    assert found is not None
    assert found["model_version"] == "b"


def test_metrics_of_a_training_job_are_written_whatever_they_hold() -> None:
    written: list[dict[str, Any]] = []

    class Table:
        def put_item(self, **request: Any) -> None:
            written.append(request)

    metrics = {"test": {"top1": {"value": 0.84, "n": 840, "ci95": [0.81, 0.86]}, "ece": 0.03}}
    Log(Table(), "dogs-deployments", "dogs").add({"model_version": "a", "metrics": metrics})

    top1 = written[0]["Item"]["metrics"]["M"]["test"]["M"]["top1"]["M"]
    assert top1["ci95"] == {"L": [{"N": "0.81"}, {"N": "0.86"}]}


def test_what_is_no_day_is_said() -> None:
    with pytest.raises(UsageError, match="AT=3 March: not a day such as"):
        day_of("3 March")


def test_registry_takes_text_that_is_not_empty() -> None:
    facts = {"training_job": "job", "champion": None, "git_commit": "", "metric.loss": 0.5}
    assert properties_of(facts) == {"training_job": "job", "metric.loss": "0.5"}


def test_fact_that_sagemaker_would_refuse_is_named_and_not_cut() -> None:
    with pytest.raises(CommandError, match="too long are: training_job"):
        properties_of({"training_job": "x" * 257})
