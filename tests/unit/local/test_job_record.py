"""A training job's record: statuses in their order, times, and what a restart makes of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from local.sagemaker.jobs.jobs import TABLE, TrainingJobs
from local.sagemaker.jobs.observed import evaluations, read_statuses
from local.sagemaker.jobs.record import Journal, enter, finish, new_record
from local.sagemaker.tuning.jobs import TuningJobs
from local.sagemaker.tuning.run import TABLE as TUNING
from local.settings import Settings
from local.store import Record, Store

REQUEST: dict[str, Any] = {
    "TrainingJobName": "a",
    "OutputDataConfig": {"S3OutputPath": "s3://b/out/"},
}


def _walk(record: Record, *steps: tuple[str, float]) -> None:
    for secondary, now in steps:
        enter(record, secondary, now)


def _statuses(record: Record) -> list[str]:
    return [transition["Status"] for transition in record["SecondaryStatusTransitions"]]


def test_new_job_is_in_progress_with_a_day_to_run() -> None:
    record = new_record({**REQUEST, "VpcConfig": {}, "Tags": []})

    assert (record["TrainingJobStatus"], record["SecondaryStatus"]) == ("InProgress", "Starting")
    assert record["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert record["ModelArtifacts"]["S3ModelArtifacts"] == "s3://b/out/a/output/model.tar.gz"
    assert not {"VpcConfig", "Tags"} & record.keys()  # the SDK rejects empty members in an answer


def test_uncompressed_model_is_a_folder() -> None:
    output = {"S3OutputPath": "s3://b", "CompressionType": "NONE"}
    record = new_record({**REQUEST, "OutputDataConfig": output})

    assert record["ModelArtifacts"]["S3ModelArtifacts"] == "s3://b/a/output/model/"


def test_wait_of_a_spot_job_is_not_billed() -> None:
    record = new_record(REQUEST)
    record["TrainingStartTime"] = 1000.0
    _walk(
        record,
        ("Training", 1000.0),
        ("Interrupted", 1010.0),
        ("Restarting", 1070.0),
        ("Training", 1075.0),
    )
    finish(record, "Completed", 1100.0)

    assert record["TrainingTimeInSeconds"] == 100
    assert record["BillableTimeInSeconds"] == 40
    ends = [transition["EndTime"] for transition in record["SecondaryStatusTransitions"][1:]]
    assert ends == [1010.0, 1070.0, 1075.0, 1100.0, 1100.0]


def test_job_that_is_stopping_stays_so_while_it_uploads() -> None:
    record = new_record(REQUEST)
    _walk(record, ("Training", 1.0), ("Stopping", 2.0), ("Uploading", 3.0))

    assert record["TrainingJobStatus"] == "Stopping"
    finish(record, "MaxRuntimeExceeded", 4.0)
    assert record["TrainingJobStatus"] == "Stopped"


def test_long_reason_is_cut_to_what_aws_allows() -> None:
    record = new_record(REQUEST)
    finish(record, "Failed", 1.0, "x" * 2000)

    assert len(record["FailureReason"]) == 1024


def test_job_that_has_ended_does_not_change_any_more(tmp_path: Path) -> None:
    record = new_record(REQUEST)
    journal = Journal(Store(tmp_path / "s.json", TABLE), record, threading.Condition())
    journal.finish("Stopped")

    journal.enter("Stopping")
    journal.finish("Failed", "late")

    assert _statuses(record)[-1] == "Stopped"
    assert record["FailureReason"] is None


def _settings(tmp_path: Path) -> Settings:
    return Settings.from_arguments(1, str(tmp_path), "python", {})


@pytest.mark.parametrize("secondary", ["Starting", "Training", "Uploading", "Stopping"])
def test_job_of_a_cloud_that_ended_is_failed_at_the_next_start(
    tmp_path: Path, secondary: str
) -> None:
    store = Store(tmp_path / "jobs.json", TABLE)
    record = new_record(REQUEST)
    enter(record, secondary, 1.0)
    with store.changing():
        store[TABLE][record["TrainingJobArn"]] = record

    again = Store(tmp_path / "jobs.json", TABLE)
    TrainingJobs(_settings(tmp_path), again).restore()

    (restored,) = again.rows(TABLE)
    assert restored["TrainingJobStatus"] == "Failed"
    assert "The local cloud was stopped while the job was running" in restored["FailureReason"]


@pytest.mark.parametrize(
    ("before", "after"),
    [("InProgress", "Failed"), ("Stopping", "Failed"), ("Completed", "Completed")],
)
def test_tuning_job_of_a_cloud_that_ended_is_failed_at_the_next_start(
    tmp_path: Path, before: str, after: str
) -> None:
    store = Store(tmp_path / "jobs.json", TABLE, TUNING)
    store[TUNING]["arn"] = {"HyperParameterTuningJobStatus": before}

    TuningJobs(store, TrainingJobs(_settings(tmp_path), store)).restore()

    assert store[TUNING]["arn"]["HyperParameterTuningJobStatus"] == after


def test_half_written_rule_status_is_left_for_the_next_look(tmp_path: Path) -> None:
    (tmp_path / "Half.json").write_text('{"RuleConfigurationName": "Ha')
    (tmp_path / "List.json").write_text("[]")
    (tmp_path / "Done.json").write_text('{"RuleEvaluationStatus": "IssuesFound", "more": 1}')

    assert read_statuses(tmp_path) == [
        {"RuleConfigurationName": "Done", "RuleEvaluationStatus": "IssuesFound"}
    ]


def test_job_without_rules_shows_no_empty_list() -> None:
    shown = evaluations(new_record(REQUEST), [])

    assert set(shown.values()) == {None}
