"""Tuning jobs driven by unmodified boto3. The script's objective is known, so the search can be
judged.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local.training import JOB_TIMEOUT_S, Training
from tests.waiting import wait_until

# The score is best at lr = 0.01 (by its logarithm), and with 64 of a batch.
SCORED = """
import math, os, sys
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
lr, batch = float(arguments["--lr"]), int(arguments.get("--batch-size", 64))
print("threads=" + os.environ["OMP_NUM_THREADS"])
print("score=%f" % (1 - abs(math.log10(lr) + 2) / 4 - (batch != 64) / 10))
"""
# Says its score once an epoch, and waits until it is stopped unless it is a good one.
EPOCHS = """
import sys, time
good = float(dict(zip(sys.argv[1::2], sys.argv[2::2]))["--quality"])
for epoch in range(9):
    print("score=%f" % (good * (epoch + 1)), flush=True)
    time.sleep(0.02)
if good < 0.5:
    while True:
        time.sleep(0.05)
"""
LR = {
    "Name": "lr",
    "MinValue": "0.0001",
    "MaxValue": "1",
    "ScalingType": "Logarithmic",
}
BATCH = {"Name": "batch-size", "Values": ["32", "64"]}
LIMITS = {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2}


class Tuning:
    def __init__(self, training: Training) -> None:
        self.training = training
        self.api = training.api

    def request(self, script: str, ranges: dict[str, Any], **config: Any) -> dict[str, Any]:
        job = self.training.request(script)
        static = job.pop("HyperParameters")
        del job["TrainingJobName"]
        extra = {name: config.pop(name) for name in ("WarmStartConfig",) if name in config}
        return {
            "HyperParameterTuningJobName": f"tune-{uuid.uuid4().hex[:12]}",
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
                "ResourceLimits": LIMITS,
                "ParameterRanges": ranges,
                "RandomSeed": 7,
                **config,
            },
            "TrainingJobDefinition": {**job, "StaticHyperParameters": static},
            **extra,
        }

    def start(self, script: str, ranges: dict[str, Any], **config: Any) -> str:
        request = self.request(script, ranges, **config)
        self.api.create_hyper_parameter_tuning_job(**request)
        name: str = request["HyperParameterTuningJobName"]
        return name

    def run(self, script: str, ranges: dict[str, Any], **config: Any) -> dict[str, Any]:
        return self.ended(self.start(script, ranges, **config))

    def ended(self, name: str) -> dict[str, Any]:
        def done() -> dict[str, Any] | None:
            job: dict[str, Any] = self.api.describe_hyper_parameter_tuning_job(
                HyperParameterTuningJobName=name
            )
            running = ("InProgress", "Stopping")
            return job if job["HyperParameterTuningJobStatus"] not in running else None

        return wait_until(done, JOB_TIMEOUT_S)

    def trials(self, name: str, **options: Any) -> list[dict[str, Any]]:
        listed = self.api.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name, MaxResults=100, **options
        )
        rows: list[dict[str, Any]] = listed["TrainingJobSummaries"]
        return rows


@pytest.fixture(scope="session")
def tuning(training: Training) -> Tuning:
    return Tuning(training)


def _value(job: dict[str, Any]) -> float:
    value: float = job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    return value


def _name(job: dict[str, Any]) -> str:
    name: str = job["HyperParameterTuningJobName"]
    return name


def test_random_search_runs_its_trials_and_names_the_best(tuning: Tuning) -> None:
    ranges = {"ContinuousParameterRanges": [LR], "CategoricalParameterRanges": [BATCH]}
    job = tuning.run(SCORED, ranges)
    trials = tuning.trials(_name(job))

    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"] == {
        "Completed": 4,
        "InProgress": 0,
        "RetryableError": 0,
        "NonRetryableError": 0,
        "Stopped": 0,
    }
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    assert len({trial["TunedHyperParameters"]["lr"] for trial in trials}) == 4
    assert _value(job["BestTrainingJob"]) == max(_value(trial) for trial in trials)
    by_value = tuning.trials(_name(job), SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    assert by_value[0]["TrainingJobName"] == job["BestTrainingJob"]["TrainingJobName"]


def test_trial_is_a_training_job_with_its_share_of_the_processors(tuning: Tuning) -> None:
    job = tuning.run(
        SCORED,
        {"ContinuousParameterRanges": [LR]},
        ResourceLimits={"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 64},
    )
    best = job["BestTrainingJob"]
    trial = tuning.training.describe(best["TrainingJobName"])

    assert best["TrainingJobName"].startswith(f"{_name(job)}-001-")
    assert trial["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert trial["HyperParameters"]["lr"] == best["TunedHyperParameters"]["lr"]
    assert trial["HyperParameters"]["_tuning_objective_metric"] == "score"
    assert tuning.training.spoken(best["TrainingJobName"], "threads=") == "threads=1"


def test_grid_search_tries_every_combination_once(tuning: Tuning) -> None:
    job = tuning.run(
        SCORED,
        {"CategoricalParameterRanges": [{"Name": "lr", "Values": ["0.1", "0.01"]}, BATCH]},
        Strategy="Grid",
        ResourceLimits={"MaxParallelTrainingJobs": 4},
    )
    tried = [trial["TunedHyperParameters"] for trial in tuning.trials(_name(job))]

    assert [(one["lr"], one["batch-size"]) for one in tried] == [
        ("0.1", "32"),
        ("0.1", "64"),
        ("0.01", "32"),
        ("0.01", "64"),
    ]
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"lr": "0.01", "batch-size": "64"}


def test_bayesian_search_runs_its_trials(tuning: Tuning) -> None:
    integers = [{"Name": "batch-size", "MinValue": "16", "MaxValue": "64"}]
    job = tuning.run(
        SCORED,
        {"ContinuousParameterRanges": [LR], "IntegerParameterRanges": integers},
        Strategy="Bayesian",
    )

    assert job["ObjectiveStatusCounters"]["Succeeded"] == 4
    for trial in tuning.trials(_name(job)):
        tuned = trial["TunedHyperParameters"]
        assert 0.0001 <= float(tuned["lr"]) <= 1
        assert 16 <= int(tuned["batch-size"]) <= 64


# Two epochs; a poor trial takes its time over the second.
HALVED = """
import sys, time
good = float(dict(zip(sys.argv[1::2], sys.argv[2::2]))["--quality"])
print("score=%f" % good, flush=True)
time.sleep(3 if good < 0.5 else 0.5)
print("score=%f" % (good * 2), flush=True)
"""
QUALITY = {"Name": "quality", "MinValue": "0", "MaxValue": "1", "ScalingType": "Linear"}


def test_hyperband_ends_the_worse_trials_before_their_last_epoch(tuning: Tuning) -> None:
    job = tuning.run(
        HALVED,
        {"ContinuousParameterRanges": [QUALITY]},
        Strategy="Hyperband",
        StrategyConfig={"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 2}},
        ResourceLimits={"MaxNumberOfTrainingJobs": 8, "MaxParallelTrainingJobs": 4},
    )
    trials = tuning.trials(_name(job))

    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Stopped"] >= 1
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 0
    stopped = [trial for trial in trials if trial["TrainingJobStatus"] == "Stopped"]
    assert _value(job["BestTrainingJob"]) >= max(_value(trial) for trial in stopped)


def test_early_stopping_ends_a_trial_below_the_median(tuning: Tuning) -> None:
    qualities = {"Name": "quality", "Values": ["0.9", "0.8", "0.7", "0.1"]}
    job = tuning.run(
        EPOCHS,
        {"CategoricalParameterRanges": [qualities]},
        Strategy="Grid",
        TrainingJobEarlyStoppingType="Auto",
        ResourceLimits={"MaxParallelTrainingJobs": 1},
    )
    statuses = {
        trial["TunedHyperParameters"]["quality"]: trial["TrainingJobStatus"]
        for trial in tuning.trials(_name(job))
    }

    assert statuses == {
        "0.9": "Completed",
        "0.8": "Completed",
        "0.7": "Completed",
        "0.1": "Stopped",
    }
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"quality": "0.9"}


def test_warm_start_goes_on_from_its_parents(tuning: Tuning) -> None:
    ranges = {"ContinuousParameterRanges": [LR]}
    parent = tuning.run(SCORED, ranges)
    parents = [{"HyperParameterTuningJobName": _name(parent)}]

    def child(kind: str) -> dict[str, Any]:
        return tuning.run(
            SCORED,
            ranges,
            Strategy="Bayesian",
            ResourceLimits={"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            WarmStartConfig={"ParentHyperParameterTuningJobs": parents, "WarmStartType": kind},
        )

    identical, transfer = child("IdenticalDataAndAlgorithm"), child("TransferLearning")

    overall = max(_value(parent["BestTrainingJob"]), _value(identical["BestTrainingJob"]))
    assert _value(identical["OverallBestTrainingJob"]) == overall
    best_of_parent = parent["BestTrainingJob"]["TunedHyperParameters"]
    assert transfer["BestTrainingJob"]["TunedHyperParameters"] == best_of_parent


def test_completion_criterion_ends_the_job_before_its_limit(tuning: Tuning) -> None:
    job = tuning.run(
        SCORED,
        {"ContinuousParameterRanges": [LR]},
        ResourceLimits={"MaxNumberOfTrainingJobs": 50, "MaxParallelTrainingJobs": 1},
        TuningJobCompletionCriteria={"TargetObjectiveMetricValue": 0.01},
    )

    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert sum(job["TrainingJobStatusCounters"].values()) < 5


def test_stopped_job_stops_its_trials(tuning: Tuning) -> None:
    name = tuning.start(EPOCHS, {"ContinuousParameterRanges": [{**QUALITY, "MaxValue": "0.4"}]})
    wait_until(lambda: len(tuning.trials(name)) == 2)

    tuning.api.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    job = tuning.ended(name)

    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert {trial["TrainingJobStatus"] for trial in tuning.trials(name)} == {"Stopped"}


def test_job_whose_trials_have_no_objective_is_failed_with_aws_words(tuning: Tuning) -> None:
    job = tuning.run("print('nothing')", {"ContinuousParameterRanges": [LR]})

    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(
        "No objective metrics found after running 4 training jobs."
    )
    assert job["ObjectiveStatusCounters"]["Failed"] == 4
    assert "BestTrainingJob" not in job


@pytest.mark.parametrize(
    ("ranges", "config", "words"),
    [
        ({}, {}, "at least one range"),
        ({"ContinuousParameterRanges": [LR]}, {"Strategy": "Grid"}, "only supports Categorical"),
        (
            {"ContinuousParameterRanges": [{**LR, "MinValue": "0"}]},
            {},
            "Logarithmic scaling of lr needs a MinValue above 0",
        ),
        (
            {"ContinuousParameterRanges": [LR]},
            {"Strategy": "Hyperband", "TrainingJobEarlyStoppingType": "Auto"},
            "must be Off with the Hyperband strategy",
        ),
        (
            {"ContinuousParameterRanges": [LR]},
            {"HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"}},
            "objective metric loss is not in MetricDefinitions",
        ),
        (
            {"CategoricalParameterRanges": [{"Name": "sagemaker_program", "Values": ["a.py"]}]},
            {},
            "both a static hyperparameter and a range",
        ),
    ],
)
def test_request_that_cannot_be_met_is_refused(
    tuning: Tuning, ranges: dict[str, Any], config: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        tuning.start(SCORED, ranges, **config)
