"""What a tuning job says of its training jobs."""

from __future__ import annotations

from typing import Any

import pytest

from local.arns import sagemaker_arn
from local.errors import AwsError
from local.sagemaker.tuning import request
from local.sagemaker.tuning.run import not_improving
from local.sagemaker.tuning.summaries import best, children, counters, summary

ARN = sagemaker_arn("hyper-parameter-tuning-job", "t")


def _tuning(kind: str = "Maximize", **config: Any) -> dict[str, Any]:
    return {
        "HyperParameterTuningJobName": "t",
        "HyperParameterTuningJobArn": ARN,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": kind, "MetricName": "score"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {"CategoricalParameterRanges": [{"Name": "a", "Values": ["1"]}]},
            **config,
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": "s3://b/s.tar.gz",
            },
            "AlgorithmSpecification": {
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "score", "Regex": "score=(.*)"}],
            },
            "RoleArn": "role",
            "OutputDataConfig": {"S3OutputPath": "s3://b"},
            "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
            "StoppingCondition": {},
            "CheckpointConfig": {"S3Uri": "s3://b/checkpoints/"},
        },
    }


def _job(name: str, status: str, value: float | None, end: float | None = 1.0) -> dict[str, Any]:
    job: dict[str, Any] = {
        "TrainingJobName": name,
        "TrainingJobStatus": status,
        "TuningJobArn": ARN,
        "_tuned": {"a": name},
    }
    if end is not None:
        job["TrainingEndTime"] = end
    if value is not None:
        job["FinalMetricDataList"] = [{"MetricName": "score", "Value": value}]
    return job


JOBS = [
    _job("1", "Completed", 0.5, 1.0),
    _job("2", "Completed", 0.7, 2.0),
    _job("3", "Stopped", 0.9, 3.0),
    _job("4", "Failed", 0.95, 4.0),
    _job("5", "Completed", None, 5.0),
    _job("6", "InProgress", None, None),
    _job("7", "Stopping", None, None),
]


@pytest.mark.parametrize(("kind", "name"), [("Maximize", "2"), ("Minimize", "1")])
def test_best_job_is_one_that_completed(kind: str, name: str) -> None:
    top = best(_tuning(kind), JOBS)

    assert top is not None
    assert top["TrainingJobName"] == name
    assert top["FinalHyperParameterTuningJobObjectiveMetric"]["Type"] == kind
    assert best(_tuning(kind), JOBS[2:]) is None


def test_counters_add_up() -> None:
    counted = counters(_tuning(), JOBS)

    assert counted["TrainingJobStatusCounters"] == {
        "Completed": 3,
        "InProgress": 2,
        "RetryableError": 0,
        "NonRetryableError": 1,
        "Stopped": 1,
    }
    assert counted["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 2, "Failed": 2}


def test_jobs_since_the_best_one_are_counted() -> None:
    top = best(_tuning(), JOBS)

    assert top is not None
    assert not_improving(JOBS, top) == 3


def test_children_are_the_tuning_jobs_own_in_the_order_of_trials() -> None:
    others = [{**JOBS[0], "TuningJobArn": None}, {**JOBS[0], "TuningJobArn": "other"}]

    assert children(_tuning(), [*reversed(JOBS), *others]) == JOBS


def test_summary_of_a_running_trial_has_no_objective_yet() -> None:
    shown = summary(_tuning(), JOBS[5])

    assert shown["ObjectiveStatus"] == "Pending"
    assert shown["FinalHyperParameterTuningJobObjectiveMetric"] is None


def test_trial_gets_its_hyperparameters_and_its_own_checkpoints() -> None:
    job = request.training_job(_tuning(), 7, {"a": "1"})

    assert job["TrainingJobName"].startswith("t-007-")
    assert job["HyperParameters"]["a"] == "1"
    assert job["HyperParameters"]["_tuning_objective_metric"] == "score"
    own = f"s3://b/checkpoints/{job['TrainingJobName']}"
    assert job["CheckpointConfig"] == {"S3Uri": own}


GRID = {"Strategy": "Grid"}
HYPERBAND = {"Strategy": "Hyperband"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (GRID, "MaxNumberOfTrainingJobs is 9, but the grid has 1"),
        ({"StrategyConfig": {"HyperbandStrategyConfig": {}}}, "only for the Hyperband strategy"),
        (
            {
                **HYPERBAND,
                "StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 3, "MaxResource": 3}},
            },
            "MaxResource of Hyperband must be greater",
        ),
        (
            {
                "TuningJobCompletionCriteria": {
                    "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}
                }
            },
            "does not support ConvergenceDetected",
        ),
        ({"ResourceLimits": {"MaxParallelTrainingJobs": 1}}, "needs MaxNumberOfTrainingJobs"),
    ],
)
def test_configuration_that_cannot_be_met_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(AwsError, match=words):
        request.check(_tuning(**config))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {**GRID, "ResourceLimits": {"MaxParallelTrainingJobs": 1}},
        {**HYPERBAND, "TrainingJobEarlyStoppingType": "Off"},
        {
            "ResourceLimits": {"MaxParallelTrainingJobs": 1},
            "TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 0.9},
        },
    ],
)
def test_configuration_that_can_be_met_is_accepted(config: dict[str, Any]) -> None:
    request.check(_tuning(**config))
