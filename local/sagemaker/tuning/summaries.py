"""What a tuning job says of its training jobs: summaries, counters, the best one. Derived from the
training jobs' records whenever it is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from local.store import Record

_COUNTERS = {
    "Completed": "Completed",
    "InProgress": "InProgress",
    "Stopping": "InProgress",
    "Failed": "NonRetryableError",
    "Stopped": "Stopped",
}


def objective_of(tuning: Record) -> dict[str, str]:
    """{"Type": Maximize or Minimize, "MetricName": ...}."""
    config: dict[str, Any] = tuning["HyperParameterTuningJobConfig"]
    objective: dict[str, str] = config["HyperParameterTuningJobObjective"]
    return objective


def children(tuning: Record, training_jobs: Sequence[Record]) -> list[Record]:
    """The tuning job's training jobs, in the order of their trials."""
    arn = tuning["HyperParameterTuningJobArn"]
    own = [job for job in training_jobs if job["TuningJobArn"] == arn]
    return sorted(own, key=lambda job: str(job["TrainingJobName"]))


def objective_value(job: Record, metric: str) -> float | None:
    """The last value of the objective, once the job has ended."""
    for data in job.get("FinalMetricDataList") or []:
        if data["MetricName"] == metric:
            value: float = data["Value"]
            return value
    return None


def objective_status(job: Record, metric: str) -> str:
    if "TrainingEndTime" not in job:
        return "Pending"
    usable = job["TrainingJobStatus"] in ("Completed", "Stopped")
    return "Succeeded" if usable and objective_value(job, metric) is not None else "Failed"


def summary(tuning: Record, job: Record) -> dict[str, Any]:
    """HyperParameterTrainingJobSummary."""
    objective = objective_of(tuning)
    value = objective_value(job, objective["MetricName"])
    return {
        **job,
        "TuningJobName": tuning["HyperParameterTuningJobName"],
        "TunedHyperParameters": job["_tuned"],
        "TrainingJobDefinitionName": tuning["TrainingJobDefinition"].get("DefinitionName"),
        "ObjectiveStatus": objective_status(job, objective["MetricName"]),
        "FinalHyperParameterTuningJobObjectiveMetric": (
            None if value is None else {**objective, "Value": value}
        ),
    }


def best(tuning: Record, jobs: Sequence[Record]) -> dict[str, Any] | None:
    """The summary of the completed job with the best objective, if any."""
    objective = objective_of(tuning)
    ranked = [
        (value, job)
        for job in jobs
        if job["TrainingJobStatus"] == "Completed"
        and (value := objective_value(job, objective["MetricName"])) is not None
    ]
    if not ranked:
        return None
    sign = 1 if objective["Type"] == "Maximize" else -1
    return summary(tuning, max(ranked, key=lambda one: sign * one[0])[1])


def counters(tuning: Record, jobs: Sequence[Record]) -> dict[str, dict[str, int]]:
    """TrainingJobStatusCounters and ObjectiveStatusCounters."""
    metric = objective_of(tuning)["MetricName"]
    statuses = Counter(_COUNTERS[job["TrainingJobStatus"]] for job in jobs)
    objectives = Counter(objective_status(job, metric) for job in jobs)
    names = ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped")
    return {
        "TrainingJobStatusCounters": {name: statuses[name] for name in names},
        "ObjectiveStatusCounters": {
            name: objectives[name] for name in ("Succeeded", "Pending", "Failed")
        },
    }
