"""A training job's record: DescribeTrainingJob's members, and how its statuses follow each other.

Members that start with an underscore are our own bookkeeping; `local.wire` cuts them from answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from local.arns import sagemaker_arn
from local.errors import AwsError
from local.store import Record, Store

_REASON_CHARS = 1024
DEFAULT_MAX_RUNTIME_S = 24 * 60 * 60  # AWS's own
# A job that asks for EnableManagedSpotTraining may name, in the request's Environment,
# LOCAL_SPOT_INTERRUPT_AFTER_S=20 or several (20,5): the seconds of training after which its
# instance is "taken back": SIGTERM, SIGKILL 120 s later; then Interrupted, Restarting, an empty
# /opt/ml but for the inputs, the checkpoints from S3, Training. AWS knows nothing of the variable.
SPOT_VARIABLE = "LOCAL_SPOT_INTERRUPT_AFTER_S"
ENDED = {"Completed", "Failed", "Stopped"}
# AWS's words for SecondaryStatusTransitions, by secondary status.
_MESSAGES = {
    "Starting": "Starting the training job",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Interrupted": "Training job interrupted: the managed spot training instance was taken back",
    "Restarting": "Restarting the training job from its checkpoints",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
}


def new_record(params: dict[str, Any], tuning_job_arn: str | None = None) -> Record:
    """The record of a job that was just asked for."""
    now = time.time()
    name = params["TrainingJobName"]
    stopping = {"MaxRuntimeInSeconds": DEFAULT_MAX_RUNTIME_S, **params.get("StoppingCondition", {})}
    record: Record = {
        **{member: value for member, value in params.items() if value not in ({}, [])},
        "TrainingJobArn": sagemaker_arn("training-job", name),
        "TuningJobArn": tuning_job_arn,
        "StoppingCondition": stopping,
        "ModelArtifacts": {"S3ModelArtifacts": model_artifacts(params)},
        "CreationTime": now,
        "EnableNetworkIsolation": params.get("EnableNetworkIsolation", False),
        "EnableInterContainerTrafficEncryption": params.get(
            "EnableInterContainerTrafficEncryption", False
        ),
        "EnableManagedSpotTraining": params.get("EnableManagedSpotTraining", False),
        "ProfilingStatus": _profiling_status(params),
        "SecondaryStatusTransitions": [],
    }
    enter(record, "Starting", now)
    return record


def output_prefix(params: dict[str, Any]) -> str:
    """<S3OutputPath>/<job>, below which everything of the job goes."""
    return f"{params['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{params['TrainingJobName']}"


def model_artifacts(params: dict[str, Any]) -> str:
    plain = params["OutputDataConfig"].get("CompressionType") == "NONE"
    return f"{output_prefix(params)}/output/model{'/' if plain else '.tar.gz'}"


def _profiling_status(params: dict[str, Any]) -> str:
    disabled = params.get("ProfilerConfig", {}).get("DisableProfiler", False)
    return "Disabled" if disabled else "Enabled"


def enter(record: Record, secondary: str, now: float) -> None:
    """Go on to the next secondary status, and to the status that it belongs to."""
    transitions = record["SecondaryStatusTransitions"]
    if transitions and "EndTime" not in transitions[-1]:
        transitions[-1]["EndTime"] = now
    transition = {"Status": secondary, "StartTime": now, "StatusMessage": _MESSAGES[secondary]}
    status = _status(secondary, record.get("TrainingJobStatus"))
    if status in ENDED:
        transition["EndTime"] = now
    transitions.append(transition)
    record |= {
        "TrainingJobStatus": status,
        "SecondaryStatus": secondary,
        "LastModifiedTime": now,
    }


def _status(secondary: str, before: str | None) -> str:
    if secondary in ("Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
        return "Stopped"
    if secondary in ("Completed", "Failed", "Stopping"):
        return secondary
    return "Stopping" if before == "Stopping" else "InProgress"  # the upload of a stopped job


def finish(record: Record, secondary: str, now: float, reason: str | None = None) -> None:
    """Enter a last status, with the times that are billed (the wait of a spot job is not)."""
    enter(record, secondary, now)
    record["TrainingEndTime"] = now
    record["FailureReason"] = reason[:_REASON_CHARS] if reason else None
    started = record.get("TrainingStartTime")
    if started is not None:
        spent_s = now - started
        waited_s = sum(
            transition["EndTime"] - transition["StartTime"]
            for transition in record["SecondaryStatusTransitions"]
            if transition["Status"] == "Interrupted"
        )
        record["TrainingTimeInSeconds"] = round(spent_s)
        record["BillableTimeInSeconds"] = round(spent_s - waited_s)


def interruptions(record: Record) -> Iterator[float]:
    """Seconds of training before each interruption that is still to come. Raises AwsError."""
    asked = record.get("Environment", {}).get(SPOT_VARIABLE, "")
    if not asked or not record.get("EnableManagedSpotTraining"):
        return iter([])
    try:
        return iter([float(word) for word in asked.split(",")])
    except ValueError as error:
        raise AwsError(
            "ValidationException",
            f"{SPOT_VARIABLE}={asked!r} is not seconds, or seconds with commas.",
        ) from error


class Journal:
    """One record, changed under the store's lock; whoever waits for it is told."""

    def __init__(self, store: Store, record: Record, changed: threading.Condition) -> None:
        self._store = store
        self._record = record
        self._changed = changed

    def enter(self, secondary: str, **members: Any) -> None:
        self._change(lambda now: enter(self._record, secondary, now), members)

    def finish(self, secondary: str, reason: str | None = None, **members: Any) -> None:
        self._change(lambda now: finish(self._record, secondary, now, reason), members)

    def note(self, **members: Any) -> None:
        self._change(lambda _: None, members)

    def _change(self, step: Callable[[float], None], members: dict[str, Any]) -> None:
        with self._store.recording():
            if self._record["TrainingJobStatus"] not in ENDED:
                self._record |= members
                step(time.time())
        with self._changed:
            self._changed.notify_all()
