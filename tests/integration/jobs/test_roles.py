"""The role of jobs: found where it is made, and not refused for what jobs never need."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.integration.jobs.account import ROLE
from tests.integration.jobs.conftest import PYTHON, Launcher
from tests.integration.jobs.recorder import Recorder
from training.jobs.roles import OUTPUT, ROLE_STACK

SDKS_OWN_CHECK = f"""
from sagemaker.core.helper.iam_role_resolver import resolve_and_validate_role
resolve_and_validate_role("{ROLE}")
"""


def _roles(recorder: Recorder) -> set[str]:
    jobs = recorder.sent("CreateTrainingJob")
    searches = recorder.sent("CreateHyperParameterTuningJob")
    return {job["RoleArn"] for job in (*jobs, *(s["TrainingJobDefinition"] for s in searches))}


@pytest.mark.parametrize("switched", ["on", "not"])
def test_least_role_starts_jobs_though_the_sdk_would_validate_it(
    launcher: Launcher, recorder: Recorder, switched: str
) -> None:
    if switched == "on":
        launcher.on_aws("tune", SAGEMAKER_VALIDATE_ROLE="true")
    else:
        launcher.on_aws("tune")

    assert _roles(recorder) == {ROLE}
    assert "SimulatePrincipalPolicy" not in recorder.account.asked


def test_sdks_own_check_refuses_that_role_here_as_on_aws(recorder: Recorder) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SAGEMAKER_")}
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
    env |= keys | {"AWS_ENDPOINT_URL": recorder.url, "AWS_DEFAULT_REGION": "eu-west-1"}
    done = subprocess.run(
        [str(PYTHON), "-c", SDKS_OWN_CHECK], env=env, capture_output=True, text=True, check=False
    )

    assert "RoleValidationError" in done.stderr
    missing = "Missing permissions: cloudwatch:PutMetricData, ec2:CreateNetworkInterface"
    assert missing in done.stderr


def test_role_comes_from_the_stack_that_makes_it(launcher: Launcher, recorder: Recorder) -> None:
    made = "arn:aws:iam::111122223333:role/made-by-stack"
    recorder.account.stacks = {ROLE_STACK: {OUTPUT: made}}
    launcher.on_aws("tune", role="")

    assert _roles(recorder) == {made}


def test_nobodys_role_says_how_to_make_one(launcher: Launcher, recorder: Recorder) -> None:
    recorder.account.caller = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin/me"
    recorder.account.trusted = "sso.amazonaws.com"
    output = launcher.on_aws("tune", role="", expect=2)

    assert "make training-role" in output
    assert recorder.sent("CreateTrainingJob") == []


def test_image_comes_from_its_regions_own_account(launcher: Launcher, recorder: Recorder) -> None:
    launcher.out.mkdir()
    best = {"job": "a-1", "objective": 0.7, "hyperparameters": {}}
    (launcher.out / "tuning.json").write_text(json.dumps({"tuning_job": "a", "best": best}))
    launcher.on_aws("train", AWS_DEFAULT_REGION="cn-north-1")

    image = recorder.sent("CreateTrainingJob")[0]["AlgorithmSpecification"]["TrainingImage"]
    registry = "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn"
    assert image == f"{registry}/pytorch:2.13-cpu-amzn2023-sagemaker"


def test_region_without_an_image_is_refused_in_words(launcher: Launcher) -> None:
    output = launcher.on_aws("tune", expect=2, AWS_DEFAULT_REGION="eu-nowhere-1")

    assert "No training image: Unsupported region: eu-nowhere-1" in output
    assert "Name one in [jobs] image." in output
