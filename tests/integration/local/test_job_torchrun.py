"""The real training on two hosts of the local cloud: where one fails, and where one is killed."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from local.children import recorded_pid
from rigs.photos import ROOT
from tests.integration.local.training import ROLE, Training, archive, unpacked
from tests.unit.training.shapes import draw_data_set
from training.jobs import source
from training.jobs.config import load
from training.jobs.definition import JobDefinition, Place, training_request

EPOCHS = 12
# Of two photos a step, one a host, so that an epoch takes long enough to be killed in its middle.
FLAGS = {
    "backbone": "efficientnet_lite0",
    "epochs": str(EPOCHS),
    "patience": str(EPOCHS),
    "batch-size": "2",
}
KILLED_AFTER = 3
# Every second photo is the second host's to read. There this one is a link to nothing.
ONE_CANNOT_READ = """
import json, os, pathlib, runpy, sys
if os.environ["SM_CURRENT_HOST"] != json.loads(os.environ["SM_HOSTS"])[0]:
    photo = pathlib.Path(os.environ["SM_CHANNEL_DATA"], "train/001.Red_box/1.jpg")
    photo.unlink()
    photo.symlink_to("nothing")
sys.argv[0] = "training/train.py"
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def code() -> bytes:
    return source.build(ROOT).archive


@pytest.fixture
def photos(training: Training, tmp_path: Path) -> None:
    shapes = draw_data_set(tmp_path / "shapes")
    for path in shapes.rglob("*.jpg"):
        training.put(f"shapes/{path.relative_to(shapes).as_posix()}", path.read_bytes())


def two_hosts(training: Training, name: str, code: str) -> dict[str, Any]:
    """What `make train` asks for with two instances, streamed photos and spot's checkpoints."""
    settings = load(overrides=["jobs.instance_count=2", "jobs.input_mode=FastFile"]).jobs
    data = {"data": f"s3://{training.bucket}/shapes/"}
    request = training_request(
        JobDefinition(name, FLAGS, data), Place("any", ROLE, code, training.output), settings
    )
    return request | {"CheckpointConfig": {"S3Uri": f"s3://{training.bucket}/kept"}}


@pytest.mark.usefixtures("photos")
def test_reason_is_that_of_the_host_that_could_not_go_on(training: Training, code: bytes) -> None:
    files: dict[str, str | bytes] = {**unpacked(code), "cannot_read.py": ONE_CANNOT_READ}
    where = training.put("code/cannot-read.tar.gz", archive(files))
    request = two_hosts(training, "two-hosts-fail", where)
    request["HyperParameters"]["sagemaker_program"] = "cannot_read.py"
    training.api.create_training_job(**request)

    reason = training.ended("two-hosts-fail")["FailureReason"]

    assert reason.startswith("algo-2: AlgorithmError: ")
    assert "train/001.Red_box/1.jpg cannot be read: No such file or directory" in reason


@pytest.mark.usefixtures("photos")
def test_job_goes_on_where_one_of_two_hosts_was_killed(training: Training, code: bytes) -> None:
    where = training.put("code/sourcedir.tar.gz", code)
    training.api.create_training_job(**two_hosts(training, "two-hosts-1", where))
    training.spoken("two-hosts-1", f"epoch={KILLED_AFTER} ")
    home = training.cloud.state_dir / "sagemaker" / "training" / "us-east-1" / "two-hosts-1"
    second = recorded_pid(home / "algo-2" / "pid")
    assert second is not None

    os.killpg(second, signal.SIGKILL)
    killed = training.ended("two-hosts-1")
    training.api.create_training_job(**two_hosts(training, "two-hosts-2", where))
    resumed = training.ended("two-hosts-2")

    assert killed["TrainingJobStatus"] == "Failed"
    assert resumed["TrainingJobStatus"] == "Completed", resumed["FailureReason"]
    lines = training.lines("two-hosts-2")
    (went_on,) = [line for line in lines if line.startswith("goes on from a checkpoint: epoch ")]
    epochs = [int(line[6:].split()[0]) for line in lines if re.match(r"epoch=\d", line)]
    assert epochs == list(range(int(went_on.split("epoch ")[1].split(",")[0]), EPOCHS + 1))
    assert epochs[0] > KILLED_AFTER
    output = unpacked(training.get("out/two-hosts-2/output/output.tar.gz"))
    history = json.loads(output["history.json"])
    assert [row["epoch"] for row in history] == list(range(1, EPOCHS + 1))
    assert json.loads(output["metrics.json"])["test"]["top1"]["value"] >= 0.9
    assert "manifest.json" in unpacked(training.get("out/two-hosts-2/output/model.tar.gz"))
