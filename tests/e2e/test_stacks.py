"""`make stack` and `make training-role` on a local cloud: stacks side by side, and what is refused.

Most of the stacks here make no endpoint: they are given the name of one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.launch import Cloud
from tests.e2e import commands

Run = Callable[..., str]


@pytest.fixture(scope="module")
def run(cloud: Cloud) -> Run:
    """A command in the repository, pointed at the cloud; what it prints."""

    def call(*command: str, expect: int = 0) -> str:
        done = commands.run(command, expect, cloud.environment())
        return done.stdout + done.stderr

    call("make", "build")
    return call


def artifact(cloud: Cloud, stack: str) -> tuple[str, str]:
    """Bucket and key of the zip that the stack's template names."""
    answer = cloud.client("cloudformation").get_template(StackName=stack, TemplateStage="Processed")
    body: dict[str, Any] = answer["TemplateBody"]
    code = body["Resources"]["ClassifyFunction"]["Properties"]["Code"]
    return code["S3Bucket"], code["S3Key"]


def test_deleting_a_stack_leaves_the_zip_of_its_neighbour(cloud: Cloud, run: Run) -> None:
    # GIVEN two stacks of the same build
    for stack in ("first", "second"):
        run("make", "stack", f"STACK={stack}", "PARAMETERS=EndpointName=elsewhere")
    zips = {stack: artifact(cloud, stack) for stack in ("first", "second")}
    assert {key.partition("/")[0] for _, key in zips.values()} == {"first", "second"}
    # WHEN one is deleted
    run("sam", "delete", "--stack-name", "second", "--no-prompts")
    # THEN its zip is gone and the other's is not
    s3 = cloud.client("s3")
    left = {key for bucket, key in zips.values() for key in keys(s3, bucket)}
    assert zips["first"][1] in left
    assert zips["second"][1] not in left


def keys(s3: Any, bucket: str) -> set[str]:
    return {item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


def test_serverless_without_its_image_is_refused_in_words(run: Run) -> None:
    said = run(
        *("make", "stack", "STACK=cold", "MODEL_URL=s3://models/v1/model.tar.gz"),
        "PARAMETERS=ServerlessMemoryMB=3072",
        expect=2,
    )
    assert "make image" in said


def test_serverless_endpoint_of_an_own_image_is_waited_for(
    cloud: Cloud, run: Run, model: Path
) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="models")
    s3.upload_file(str(model), "models", "breeds/v1/model.tar.gz")
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/breeds/serving:1"
    run(
        *("make", "stack", "STACK=cold", "MODEL_URL=s3://models/breeds/v1/model.tar.gz"),
        f"PARAMETERS=ServerlessMemoryMB=3072 ServingImage={image}",
    )
    made = cloud.outputs("cold")
    assert made["EndpointName"] == "cold-serverless"
    function = cloud.client("lambda").get_function_configuration(FunctionName=made["FunctionName"])
    queue = cloud.client("sqs").get_queue_attributes(
        QueueUrl=made["QueueUrl"], AttributeNames=["VisibilityTimeout"]
    )
    assert function["Timeout"] == 240
    assert function["Environment"]["Variables"]["ENDPOINT_TIMEOUT_S"] == "70"
    assert queue["Attributes"]["VisibilityTimeout"] == "1440"


def test_training_role_is_made_and_its_arn_is_told(cloud: Cloud, run: Run) -> None:
    run("make", "training-role", "BUCKET=my-jobs", "DATA=s3://my-photos/breeds")
    role = cloud.outputs("breed-classifier-training")["TrainingRoleArn"]
    name = role.rpartition("/")[2]
    policy = cloud.client("iam").get_role_policy(RoleName=name, PolicyName="train")
    text = str(policy["PolicyDocument"])
    assert "arn:aws:s3:::my-jobs/*" in text
    assert "arn:aws:s3:::my-photos/*" in text
    # AND again without a word: nothing to change is no failure
    run("make", "training-role")
    assert cloud.outputs("breed-classifier-training")["TrainingRoleArn"] == role
