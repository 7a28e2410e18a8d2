"""Trials of a tuning job: read, shown, and what is said when the search gives nothing."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from training.jobs import trials
from training.jobs.errors import CommandError

START = datetime(2026, 11, 22, tzinfo=UTC)


def _summary(number: int, status: str, objective: float | None = None, **more: Any) -> Any:
    summary = {
        "TrainingJobName": f"t-{number:03d}",
        "TrainingJobStatus": status,
        "TunedHyperParameters": {"lr": "0.0123456789", "batch-size": "32"},
        "TrainingStartTime": START,
        **more,
    }
    if status != "InProgress":
        summary["TrainingEndTime"] = START + timedelta(seconds=42)
    if objective is not None:
        metric = {"MetricName": "validation:accuracy", "Value": objective}
        summary["FinalHyperParameterTuningJobObjectiveMetric"] = metric
    return summary


class FakeSageMaker:
    """Each description is one poll further: (status of the search, its trials)."""

    def __init__(self, polls: list[tuple[str, list[Any]]]) -> None:
        self._polls = polls
        self._given = -1

    def describe_hyper_parameter_tuning_job(self, **_: Any) -> dict[str, Any]:
        self._given = min(self._given + 1, len(self._polls) - 1)
        status, found = self._polls[self._given]
        done = [s for s in found if "FinalHyperParameterTuningJobObjectiveMetric" in s]
        job: dict[str, Any] = {
            "HyperParameterTuningJobName": "t",
            "HyperParameterTuningJobStatus": status,
        }
        return job | ({"BestTrainingJob": done[-1]} if done else {})

    def get_paginator(self, _: str) -> FakeSageMaker:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{"TrainingJobSummaries": self._polls[self._given][1]}]


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "POLL_S", 0.0)


def _watch(polls: list[tuple[str, list[Any]]]) -> tuple[str, dict[str, Any]]:
    out = io.StringIO()
    console = Console(file=out, width=120)
    job, _ = trials.watch(FakeSageMaker(polls), "t", "validation:accuracy", console)
    return out.getvalue(), job


def test_each_ended_trial_is_told_once() -> None:
    first = _summary(1, "Completed", 0.8)
    shown, job = _watch(
        [
            ("InProgress", [_summary(1, "InProgress")]),
            ("InProgress", [first, _summary(2, "InProgress")]),
            ("Completed", [first, _summary(2, "Stopped", 0.85)]),
        ]
    )

    assert job["BestTrainingJob"]["TrainingJobName"] == "t-002"
    assert shown.count("t-001: Completed, 0.8000 (batch-size 32, lr 0.01235, 42 s)") == 1
    assert shown.count("t-002: Stopped, 0.8500") == 1


def test_search_whose_trials_all_fail_gives_the_first_reason() -> None:
    failed = _summary(1, "Failed", FailureReason="no such backbone")

    with pytest.raises(CommandError, match="no such backbone"):
        _watch([("Completed", [failed])])
