"""Training jobs driven by unmodified boto3."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.local.training import Training, secondaries, unpacked
from tests.waiting import wait_until

COMPLETE = """
import json, os, pathlib, sys
print("score=0.25\\nscore=0.75")
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
(model / "weights.txt").write_text("weights")
(model / "code").mkdir()
(model / "code" / "serve.py").write_text("serve")
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "metrics.json").write_text("{}")
data = pathlib.Path(os.environ["SM_CHANNEL_DATA"])
print("facts=" + json.dumps({
    "arguments": sys.argv[1:],
    "data": {str(p.relative_to(data)): p.read_text() for p in data.rglob("*") if p.is_file()},
    "variables": dict(os.environ),
    "pid": os.getpid(),
}))
"""
# Goes on until SIGTERM, then keeps what it has.
PATIENT = """
import os, pathlib, signal, sys, time
def save(*_):
    pathlib.Path(os.environ["SM_MODEL_DIR"], "weights.txt").write_text("half done")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("pid=%d" % os.getpid())
print("score=0.5")
while True:
    time.sleep(0.05)
"""


def _channel(url: str, **members: Any) -> dict[str, Any]:
    data = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": url}}
    return {"ChannelName": "data", "DataSource": data, **members}


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # a process that has ended and that nobody collected is gone as well
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_job_that_succeeds_leaves_its_model_output_metrics_and_log(training: Training) -> None:
    training.put("data/set/train/a.txt", b"A")
    training.put("data/set/b.txt", b"B")
    job = training.run(
        COMPLETE,
        hyperparameters={"lr": "0.1", "batch-size": "32"},
        InputDataConfig=[_channel(f"s3://{training.bucket}/data/set")],
    )
    name = job["TrainingJobName"]

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    assert secondaries(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("score", 0.75)]
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"]
    assert job["TrainingEndTime"] > job["TrainingStartTime"] > job["CreationTime"]
    assert (
        job["ModelArtifacts"]["S3ModelArtifacts"] == f"{training.output}/{name}/output/model.tar.gz"
    )
    model = unpacked(training.get(f"out/{name}/output/model.tar.gz"))
    assert model == {"code/serve.py": b"serve", "weights.txt": b"weights"}
    output = unpacked(training.get(f"out/{name}/output/output.tar.gz"))
    assert output == {"metrics.json": b"{}"}
    assert "score=0.75" in training.lines(name)


def test_script_finds_what_a_container_has(training: Training) -> None:
    training.put("found/train/a.txt", b"A")
    job = training.run(
        COMPLETE,
        hyperparameters={"lr": "0.1"},
        InputDataConfig=[_channel(f"s3://{training.bucket}/found/")],
        Environment={"MINE": "yes"},
    )
    facts = training.said(job["TrainingJobName"])

    assert facts["arguments"] == ["--lr", "0.1"]
    assert facts["data"] == {"train/a.txt": "A"}
    variables = facts["variables"]
    assert variables["TRAINING_JOB_NAME"] == job["TrainingJobName"]
    assert variables["TRAINING_JOB_ARN"] == job["TrainingJobArn"]
    assert variables["SM_HP_LR"] == "0.1"
    assert variables["MINE"] == "yes"
    assert variables["AWS_ENDPOINT_URL"] == training.cloud.url
    assert variables["SM_MODEL_DIR"] == f"{variables['SAGEMAKER_BASE_DIR']}/model"


def test_script_that_raises_is_failed_with_its_own_error(training: Training) -> None:
    job = training.run(
        "import os, pathlib\n"
        "pathlib.Path(os.environ['SM_MODEL_DIR'], 'half').write_text('x')\n"
        "pathlib.Path(os.environ['SM_OUTPUT_DATA_DIR'], 'why.txt').write_text('x')\n"
        "raise ValueError('the learning rate is silly')\n"
    )
    name = job["TrainingJobName"]

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1")
    # The toolkit reads the script's stderr piece by piece: there may be a new line after the class.
    assert "ValueError" in job["FailureReason"]
    assert "the learning rate is silly" in job["FailureReason"]
    assert job["FailureReason"].endswith(", exit code: 1")
    assert secondaries(job)[-1] == "Failed"
    assert training.keys(f"out/{name}/") == [f"out/{name}/output/output.tar.gz"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (
            {"InputDataConfig": [_channel("s3://no-such-bucket/x")]},
            "ClientError: Data download failed: s3://no-such-bucket/x",
        ),
        (
            {"OutputDataConfig": {"S3OutputPath": "s3://no-such-bucket/x"}},
            "ClientError: Artifact upload failed: s3://no-such-bucket/x",
        ),
        (
            {"source": "s3://no-such-bucket/x.tar.gz"},
            "ClientError: the source archive s3://no-such",
        ),
    ],
)
def test_job_that_cannot_reach_its_s3_is_failed_before_it_trains(
    training: Training, members: dict[str, Any], words: str
) -> None:
    job = training.run(COMPLETE, **members)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(words)
    assert "Training" not in secondaries(job)


def test_empty_prefix_and_missing_script_are_named(training: Training) -> None:
    empty = training.run(COMPLETE, InputDataConfig=[_channel(f"s3://{training.bucket}/none")])
    no_script = training.run(COMPLETE, hyperparameters={"sagemaker_program": "other.py"})

    assert empty["FailureReason"].startswith("ClientError: No S3 objects found under S3 URL")
    assert no_script["FailureReason"].startswith("ClientError: other.py (sagemaker_program) is not")


def test_stopped_job_keeps_what_it_saved_after_sigterm(training: Training) -> None:
    name = training.start(PATIENT)
    pid = int(training.spoken(name, "pid=").partition("=")[2])

    training.api.stop_training_job(TrainingJobName=name)
    job = training.ended(name)

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert secondaries(job)[-3:] == ["Stopping", "Uploading", "Stopped"]
    assert unpacked(training.get(f"out/{name}/output/model.tar.gz")) == {
        "weights.txt": b"half done"
    }
    assert [metric["Value"] for metric in job["FinalMetricDataList"]] == [0.5]
    assert gone(pid)
    with pytest.raises(ClientError, match="the training job is in status Stopped"):
        training.api.stop_training_job(TrainingJobName=name)


def test_job_over_its_run_time_is_stopped(training: Training) -> None:
    # Long enough for the script to have written its model, also on a busy machine.
    job = training.run(PATIENT, StoppingCondition={"MaxRuntimeInSeconds": 10})

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert secondaries(job)[-3:] == ["Stopping", "Uploading", "MaxRuntimeExceeded"]
    assert training.keys(f"out/{job['TrainingJobName']}/output/")


def test_two_jobs_run_at_the_same_time(training: Training) -> None:
    names = [training.start(PATIENT), training.start(PATIENT)]

    for name in names:
        training.spoken(name, "pid=")
    assert [training.describe(name)["SecondaryStatus"] for name in names] == ["Training"] * 2
    for name in names:
        training.api.stop_training_job(TrainingJobName=name)
        training.ended(name)


def test_ended_job_leaves_its_log_and_nothing_else(training: Training) -> None:
    name = training.run("print('score=1')")["TrainingJobName"]
    home = training.cloud.state_dir / "sagemaker" / "training" / "us-east-1" / name

    wait_until(lambda: [path.name for path in home.iterdir()] == ["container.log"])


def test_second_job_of_a_name_is_refused(training: Training) -> None:
    request = training.request("print('score=1')")
    training.api.create_training_job(**request)

    with pytest.raises(ClientError, match="names must be unique") as raised:
        training.api.create_training_job(**request)

    assert raised.value.response["Error"]["Code"] == "ResourceInUse"
    training.ended(request["TrainingJobName"])


def test_jobs_are_listed_by_status_and_name(training: Training) -> None:
    name = training.run("raise SystemExit(3)")["TrainingJobName"]

    listed = training.api.list_training_jobs(StatusEquals="Failed", NameContains=name)

    (row,) = listed["TrainingJobSummaries"]
    assert (row["TrainingJobName"], row["TrainingJobStatus"]) == (name, "Failed")
    with pytest.raises(ClientError, match="Requested resource not found"):
        training.describe("nobody")
