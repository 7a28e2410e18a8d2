"""The trials of a tuning job: read from SageMaker's answers, shown as a table that stays alive."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from training.jobs.errors import CommandError

POLL_S = 2.0
_STYLES = {"Completed": "green", "InProgress": "cyan", "Failed": "red", "Stopped": "yellow"}
_ENDED = ("Completed", "Failed", "Stopped", "DeleteFailed")


@dataclass(frozen=True)
class Trial:
    """One training job of the search; `objective` is None until (or unless) it reported one."""

    name: str
    status: str
    hyperparameters: Mapping[str, str]
    objective: float | None
    seconds: float | None
    failure: str

    @classmethod
    def from_summary(cls, summary: Mapping[str, Any]) -> Trial:
        """From a HyperParameterTrainingJobSummary."""
        metric = summary.get("FinalHyperParameterTuningJobObjectiveMetric")
        began, ended = summary.get("TrainingStartTime"), summary.get("TrainingEndTime")
        return cls(
            name=summary["TrainingJobName"],
            status=summary["TrainingJobStatus"],
            hyperparameters=dict(sorted(summary["TunedHyperParameters"].items())),
            objective=metric["Value"] if metric else None,
            seconds=(ended - began).total_seconds() if began and ended else None,
            failure=summary.get("FailureReason", ""),
        )

    @property
    def ended(self) -> bool:
        return self.status in _ENDED

    def words(self) -> str:
        """The trial on one line."""
        tuned = ", ".join(f"{name} {short(text)}" for name, text in self.hyperparameters.items())
        result = self.failure or ("-" if self.objective is None else f"{self.objective:.4f}")
        took = "" if self.seconds is None else f", {self.seconds:.0f} s"
        return f"{self.name}: {self.status}, {result} ({tuned}{took})"

    def to_json(self) -> dict[str, Any]:
        return {
            "job": self.name,
            "status": self.status,
            "hyperparameters": dict(self.hyperparameters),
            "objective": self.objective,
            "seconds": self.seconds,
        }


def short(text: str) -> str:
    """A hyperparameter's value for people: four digits are enough of a number."""
    try:
        return f"{float(text):.4g}"
    except ValueError:
        return text


def read(sagemaker: Any, tuning_job: str) -> list[Trial]:
    """All trials, the first one first."""
    pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName=tuning_job, SortBy="CreationTime", SortOrder="Ascending"
    )
    return [Trial.from_summary(item) for page in pages for item in page["TrainingJobSummaries"]]


def table(trials: Sequence[Trial], objective: str, best: str | None) -> Table:
    """Number, state, tuned hyperparameters, objective, seconds; the best one in bold."""
    result = Table(title=f"Trials, by {objective}", title_justify="left")
    names = sorted({name for trial in trials for name in trial.hyperparameters})
    for column in ("trial", "state"):
        result.add_column(column, no_wrap=True)
    for column in (*names, objective, "s"):
        result.add_column(column, justify="right", no_wrap=True)
    for number, trial in enumerate(trials, start=1):
        style = _STYLES.get(trial.status, "")
        result.add_row(
            str(number),
            f"[{style}]{trial.status}[/{style}]" if style else escape(trial.status),
            *(short(trial.hyperparameters.get(name, "")) for name in names),
            "" if trial.objective is None else f"{trial.objective:.4f}",
            "" if trial.seconds is None else f"{trial.seconds:.0f}",
            style="bold" if trial.name == best else "",
        )
    return result


def watch(
    sagemaker: Any, tuning_job: str, objective: str, console: Console
) -> tuple[dict[str, Any], list[Trial]]:
    """Show the trials until the search ends; the job's last description and its trials.

    A terminal gets one table that changes, anything else a line a trial. Raises CommandError when
    the search fails or no trial reports the objective.
    """
    told: set[str] = set()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            job = sagemaker.describe_hyper_parameter_tuning_job(
                HyperParameterTuningJobName=tuning_job
            )
            trials = read(sagemaker, tuning_job)
            best = job.get("BestTrainingJob", {}).get("TrainingJobName")
            if console.is_terminal:
                live.update(table(trials, objective, best), refresh=True)
            else:
                _tell_ended(trials, told, console)
            if job["HyperParameterTuningJobStatus"] in _ENDED:
                break
            time.sleep(POLL_S)
    console.print(table(trials, objective, best))
    if job["HyperParameterTuningJobStatus"] == "Failed" or not best:
        raise CommandError(_why_failed(job, trials))
    return job, trials


def _tell_ended(trials: Sequence[Trial], told: set[str], console: Console) -> None:
    for trial in trials:
        if trial.ended and trial.name not in told:
            told.add(trial.name)
            console.print(trial.words(), markup=False, highlight=False, soft_wrap=True)


def _why_failed(job: Mapping[str, Any], trials: Sequence[Trial]) -> str:
    name, status = job["HyperParameterTuningJobName"], job["HyperParameterTuningJobStatus"]
    reasons = [trial.failure for trial in trials if trial.failure]
    words = job.get("FailureReason") or f"none of its {len(trials)} trials reported the objective"
    first = f" The first failure of a trial: {reasons[0]}" if reasons else ""
    return f"Tuning job {name} is {status} without a best job: {words}.{first}"
