"""A machine whose way to the internet is a proxy that cannot reach the cloud: here it is dead."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.launch import Cloud
from tests.integration.local.conftest import JOB_PYTHON, SageMaker, archive
from tests.integration.local.training import Training

DEAD = "http://127.0.0.1:9"  # the discard port, which nothing answers


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud, and everything that the tests start, in an environment with a proxy and no
    exceptions from it.
    """
    with pytest.MonkeyPatch.context() as environment:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            environment.setenv(name, DEAD)
            environment.setenv(name.lower(), DEAD)
        for name in ("NO_PROXY", "no_proxy"):
            environment.delenv(name, raising=False)
        cloud = Cloud(tmp_path_factory.mktemp("proxied") / "state")
        cloud.start()
        yield cloud
        cloud.stop()


def _run(cloud: Cloud, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        shlex.split(command),
        env=cloud.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_aws_and_sam_reach_the_cloud(proxied: Cloud) -> None:
    proxied.client("s3").create_bucket(Bucket="behind-a-proxy")

    listed = _run(proxied, "aws s3 ls")
    asked = _run(proxied, "sam list stack-outputs --stack-name nobody")

    assert "behind-a-proxy" in listed.stdout, listed.stderr
    assert "nobody does not exist" in asked.stderr, asked.stderr


def test_endpoint_and_job_are_made_from_the_clouds_own_s3(proxied: Cloud, tmp_path: Path) -> None:
    sagemaker = SageMaker(proxied)
    name = sagemaker.endpoint(archive())

    assert sagemaker.settled(name).get("FailureReason") is None
    assert sagemaker.invoke(name)["marker"] == "first"
    if not JOB_PYTHON.exists():
        pytest.skip(f"no environment for training jobs: {JOB_PYTHON}")
    script = """
import os, boto3
boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key="said", Body=b"from the job")
"""
    training = Training(proxied, tmp_path)
    ended = training.run(script, Environment={"BUCKET": training.bucket})
    assert ended["TrainingJobStatus"] == "Completed", ended["FailureReason"]
    assert training.get("said") == b"from the job"
