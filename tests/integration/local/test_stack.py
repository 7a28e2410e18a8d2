"""A stack of every kind of resource that the product needs, driven by the real sam and aws."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from local.launch import Cloud
from tests.integration.local.conftest import SageMaker, archive
from tests.waiting import wait_until

STACK = "drive"
TOOL_S = 240


class Tools:
    """sam and aws in a folder with the template, pointed at the cloud as `make env` does it."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud = cloud
        self._folder = folder
        self._s3 = cloud.client("s3")
        self._s3.create_bucket(Bucket="packages")

    def run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._cloud.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TOOL_S,
            check=False,
        )
        assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def json(self, *command: str) -> Any:
        return json.loads(self.run(*command))

    def deploy(self, package: bytes, stack: str = STACK, code: int = 0) -> str:
        key = f"{uuid.uuid4()}.tar.gz"
        self._s3.put_object(Bucket="packages", Key=key, Body=package)
        runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.run(
            *("sam", "deploy", "--resolve-s3", "--stack-name", stack),
            *(
                "--capabilities",
                "CAPABILITY_IAM",
                "--no-confirm-changeset",
                "--parameter-overrides",
            ),
            *(f"ModelDataUrl=s3://packages/{key}", f"Runtime={runtime}"),
            code=code,
        )

    def outputs(self) -> dict[str, str]:
        answer = self.json("aws", "cloudformation", "describe-stacks", "--stack-name", STACK)
        return {row["OutputKey"]: row["OutputValue"] for row in answer["Stacks"][0]["Outputs"]}


@pytest.fixture(scope="module")
def tools(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Tools:
    folder = tmp_path_factory.mktemp("sam") / "stack"
    shutil.copytree(Path(__file__).with_name("stack"), folder)
    return Tools(cloud, folder)


@pytest.fixture(scope="module")
def outputs(tools: Tools) -> dict[str, str]:
    tools.deploy(archive("first"))
    return tools.outputs()


def test_deployed_stack_has_what_the_template_says(
    tools: Tools, outputs: dict[str, str], cloud: Cloud
) -> None:
    table, endpoint = outputs["TableName"], outputs["EndpointName"]
    dynamodb, lambda_ = cloud.client("dynamodb"), cloud.client("lambda")

    ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "expires_at")
    backups = dynamodb.describe_continuous_backups(TableName=table)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"

    assert (
        cloud.client("sagemaker").describe_endpoint(EndpointName=endpoint)["ProductionVariants"][0][
            "CurrentInstanceCount"
        ]
        == 2
    )
    mapping = lambda_.list_event_source_mappings(FunctionName=f"{STACK}-classify")
    assert mapping["EventSourceMappings"][0]["ScalingConfig"] == {"MaximumConcurrency": 3}
    alarm = cloud.client("cloudwatch").describe_alarms(AlarmNames=[f"{STACK}-missing"])
    assert "not evaluated" in alarm["MetricAlarms"][0]["AlarmDescription"]

    scaling = tools.json(
        *("aws", "application-autoscaling", "describe-scaling-policies"),
        *("--service-namespace", "sagemaker"),
    )
    assert scaling["ScalingPolicies"][0]["ResourceId"] == f"endpoint/{endpoint}/variant/AllTraffic"


def test_upload_with_the_cli_becomes_a_row_that_the_cli_finds(
    tools: Tools, outputs: dict[str, str], tmp_path: Path
) -> None:
    photo = tmp_path / "a b+ü.jpg"
    photo.write_bytes(b"photo")
    tools.run("aws", "s3", "cp", str(photo), f"s3://{outputs['BucketName']}/uploads/")

    def found() -> Any:
        return tools.json(
            *("aws", "dynamodb", "query", "--table-name", outputs["TableName"]),
            *("--index-name", "by-marker", "--key-condition-expression", "marker = :m"),
            *("--expression-attribute-values", '{":m": {"S": "first"}}'),
        )["Items"]

    assert wait_until(found) == [
        {"image_key": {"S": "uploads/a b+ü.jpg"}, "marker": {"S": "first"}}
    ]
    # CLI v1 finds SQS, too, for which it ignores AWS_ENDPOINT_URL by itself
    attributes = tools.json(
        *("aws", "sqs", "get-queue-attributes", "--queue-url", outputs["QueueUrl"]),
        *("--attribute-names", "All"),
    )["Attributes"]
    assert attributes["VisibilityTimeout"] == "30"
    wait_until(
        lambda: "answered uploads/a b+ü.jpg" in tools.run("sam", "logs", "--stack-name", STACK)
    )


def test_new_model_data_updates_the_endpoint_in_place(
    tools: Tools, outputs: dict[str, str], sagemaker: SageMaker
) -> None:
    before = sagemaker.invoke(outputs["EndpointName"])

    tools.deploy(archive("second"))

    after = sagemaker.invoke(outputs["EndpointName"])
    assert (before["marker"], after["marker"]) == ("first", "second")
    names = [row["ModelName"] for row in sagemaker.api.list_models(MaxResults=100)["Models"]]
    assert len([name for name in names if name.startswith(STACK)]) == 1


def test_model_that_does_not_start_fails_the_deployment_with_its_words(
    tools: Tools, outputs: dict[str, str], sagemaker: SageMaker
) -> None:
    marker = sagemaker.invoke(outputs["EndpointName"])["marker"]

    tools.deploy(archive(marker=None), code=1)

    status = tools.json("aws", "cloudformation", "describe-stacks", "--stack-name", STACK)
    assert status["Stacks"][0]["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    events = tools.run("aws", "cloudformation", "describe-stack-events", "--stack-name", STACK)
    assert "marker: this package has none" in events
    assert sagemaker.invoke(outputs["EndpointName"])["marker"] == marker


def test_cloud_answers_while_an_endpoint_starts(
    tools: Tools, cloud: Cloud, sagemaker: SageMaker
) -> None:
    # GIVEN a model that takes its time to start
    slow = archive(extra={"code/sitecustomize.py": b"import time; time.sleep(4)"})
    name = sagemaker.config(slow)
    template = {
        "Resources": {
            "Endpoint": {
                "Type": "AWS::SageMaker::Endpoint",
                "Properties": {"EndpointConfigName": name, "EndpointName": name},
            }
        }
    }
    cloudformation = cloud.client("cloudformation")

    # WHEN a stack waits for it
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    wait_until(lambda: sagemaker.api.list_endpoints(NameContains=name)["Endpoints"])

    # THEN everything else answers meanwhile, stacks included
    def status() -> str:
        answer: str = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        return answer

    answers, slowest = 0, 0.0
    while status() == "CREATE_IN_PROGRESS":
        started = time.monotonic()
        cloud.client("s3").list_buckets()
        slowest = max(slowest, time.monotonic() - started)
        answers += 1
    assert status() == "CREATE_COMPLETE"
    assert answers > 3, f"only {answers} answers, the slowest after {slowest:.1f} s"
    cloudformation.delete_stack(StackName=name)
    wait_until(lambda: not sagemaker.api.list_endpoints(NameContains=name)["Endpoints"])


def test_sam_delete_takes_everything_down(
    tools: Tools, outputs: dict[str, str], cloud: Cloud, sagemaker: SageMaker
) -> None:
    tools.run("aws", "s3", "rm", "--recursive", f"s3://{outputs['BucketName']}")
    s3 = cloud.client("s3")
    for version in s3.list_object_versions(Bucket=outputs["BucketName"]).get("Versions", []):
        s3.delete_object(
            Bucket=outputs["BucketName"], Key=version["Key"], VersionId=version["VersionId"]
        )
    for marker in s3.list_object_versions(Bucket=outputs["BucketName"]).get("DeleteMarkers", []):
        s3.delete_object(
            Bucket=outputs["BucketName"], Key=marker["Key"], VersionId=marker["VersionId"]
        )

    tools.run("sam", "delete", "--stack-name", STACK, "--no-prompts")

    for rows in (
        sagemaker.api.list_endpoints(NameContains=STACK)["Endpoints"],
        sagemaker.api.list_endpoint_configs(NameContains=STACK)["EndpointConfigs"],
        sagemaker.api.list_models(NameContains=STACK)["Models"],
        cloud.client("application-autoscaling").describe_scalable_targets(
            ServiceNamespace="sagemaker"
        )["ScalableTargets"],
    ):
        assert rows == []
    assert outputs["TableName"] not in cloud.client("dynamodb").list_tables()["TableNames"]
