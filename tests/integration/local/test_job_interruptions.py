"""Training jobs that are interrupted: by a spot instance that is taken back, by a stop of the
cloud, by its death.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local.launch import Cloud
from tests.integration.local.conftest import JOB_PYTHON
from tests.integration.local.test_training_jobs import PATIENT, gone
from tests.integration.local.test_tuning_jobs import LR, Tuning
from tests.integration.local.training import Training, secondaries, unpacked
from tests.waiting import wait_until

# Counts to three; each run adds one to the checkpoint and waits, unless it is the third.
CHECKPOINTED = """
import os, pathlib, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
kept, model = base / "checkpoints" / "epoch", pathlib.Path(os.environ["SM_MODEL_DIR"])
epoch = int(kept.read_text()) + 1 if kept.exists() else 1
(model / ("from-run-%d" % epoch)).write_text("x")
half = kept.with_suffix(".sagemaker-ignore")
half.write_text(str(epoch))
half.rename(kept)
half.write_text("half of the next one")
print("epoch=%d" % epoch)
while epoch < 3:
    time.sleep(0.05)
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Training]:
    """Jobs in a cloud that the test may stop and kill."""
    if not JOB_PYTHON.exists():
        pytest.skip(f"no environment for training jobs: {JOB_PYTHON}")
    cloud = Cloud(tmp_path / "state")
    cloud.start()
    yield Training(cloud, tmp_path)
    cloud.stop()


def test_spot_job_goes_on_from_its_checkpoints_on_a_new_instance(training: Training) -> None:
    job = training.run(
        CHECKPOINTED,
        EnableManagedSpotTraining=True,
        CheckpointConfig={"S3Uri": f"s3://{training.bucket}/checkpoints/a"},
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900},
        Environment={"LOCAL_SPOT_INTERRUPT_AFTER_S": "3,3"},
    )

    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    assert secondaries(job) == [
        "Starting",
        "Downloading",
        *["Training", "Interrupted", "Restarting"] * 2,
        "Training",
        "Uploading",
        "Completed",
    ]
    assert training.get("checkpoints/a/epoch") == b"3"
    # What says that it is not to be uploaded is not.
    assert training.keys("checkpoints/a/") == ["checkpoints/a/epoch"]
    model = training.get(f"out/{job['TrainingJobName']}/output/model.tar.gz")
    assert unpacked(model) == {"from-run-3": b"x"}  # a new instance has nothing of the old one


def test_spot_job_that_waits_too_long_is_stopped(training: Training) -> None:
    job = training.run(
        PATIENT,
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 3, "MaxWaitTimeInSeconds": 3},
        Environment={"LOCAL_SPOT_INTERRUPT_AFTER_S": "1"},
    )

    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxWaitTimeExceeded"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds"),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 10}},
            "not supported when EnableManagedSpotTraining is false",
        ),
    ],
)
def test_limits_that_do_not_fit_are_refused(
    training: Training, members: dict[str, object], words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        training.start(PATIENT, **members)


def test_stopped_cloud_ends_its_jobs_and_says_so(own: Training) -> None:
    name = own.start(PATIENT)
    tuned = Tuning(own).start(PATIENT, {"ContinuousParameterRanges": [LR]})
    pid = int(own.spoken(name, "pid=").partition("=")[2])

    own.cloud.stop()

    assert gone(pid)
    own.cloud.start()
    job = own.describe(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert "The local cloud was stopped while the job was running" in job["FailureReason"]
    tuning_job = Tuning(own).ended(tuned)
    assert tuning_job["HyperParameterTuningJobStatus"] == "Failed"
    assert "The local cloud was stopped" in tuning_job["FailureReason"]
    statuses = {trial["TrainingJobStatus"] for trial in Tuning(own).trials(tuned)}
    assert statuses <= {"Failed"}
    assert own.run("print('score=1')")["TrainingJobStatus"] == "Completed"


def test_killed_cloud_kills_what_outlived_it_and_says_so(own: Training) -> None:
    name = own.start(PATIENT)
    pid = int(own.spoken(name, "pid=").partition("=")[2])
    process = own.cloud._process
    assert process is not None

    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    assert not gone(pid)
    own.cloud.start()

    wait_until(lambda: gone(pid))
    job = own.describe(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert "The local cloud was stopped while the job was running" in job["FailureReason"]
    assert job["TrainingEndTime"] >= job["TrainingStartTime"]
