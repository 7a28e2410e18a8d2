"""The commands of docs/run-here.md, typed into a shell prepared only by `eval "$(make -s env)"`."""

from __future__ import annotations

import json
import re
import shlex
import time
from pathlib import Path

import pytest

from local.launch import Cloud
from rigs.photos import ROOT, pictures
from tests.e2e import commands

ROW_S = 60
ENDPOINT_S = 60
PAGE = ROOT / "docs" / "run-here.md"


def typed(start: str) -> str:
    """The one line of the page's code that begins so, without its comment."""
    blocks: list[str] = re.findall(
        r"^```\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    (line,) = [line for line in lines if line.startswith(start)]
    return line


class Shell:
    """A bash in the repository, pointed at one cloud the way docs/run-here.md says."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def run(self, command: str, expect: int = 0) -> str:
        script = f'eval "$(make -s env PORT={self._cloud.port})" && {command}'
        return commands.run(["bash", "-euo", "pipefail", "-c", script], expect).stdout


@pytest.fixture(scope="module")
def shell(cloud: Cloud) -> Shell:
    return Shell(cloud)


@pytest.fixture(scope="module")
def stack(shell: Shell, model: Path, runtime: str) -> dict[str, str]:
    """The deployment of docs/run-here.md, typed; the stack's outputs by name."""
    shell.run(typed("aws s3 mb"))
    upload = typed("aws s3 cp .local/starter/model.tar.gz")
    shell.run(upload.replace(".local/starter/model.tar.gz", shlex.quote(str(model)), 1))
    shell.run(typed("make model build"))
    deploy = typed("sam deploy").replace("python3.11", runtime)
    shell.run(f"{deploy} --no-confirm-changeset")
    text = shell.run("aws cloudformation describe-stacks --stack-name breed-classifier")
    outputs = json.loads(text)["Stacks"][0]["Outputs"]
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


@pytest.fixture(scope="module")
def row(shell: Shell, stack: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The row of one uploaded photo, asked for until it is there."""
    folder = tmp_path_factory.mktemp("photo")
    photo = folder / "photo.jpg"
    photo.write_bytes(pictures(folder, 1)[0])
    assert f" s3://{stack['BucketName']}/uploads/" in typed("aws s3 cp photo.jpg")
    shell.run(stack["UploadCommand"].replace("photo.jpg", shlex.quote(str(photo)), 1))
    deadline = time.monotonic() + ROW_S
    while time.monotonic() < deadline:
        answer = shell.run(
            f"aws dynamodb get-item --table-name {stack['TableName']}"
            """ --key '{"image_key": {"S": "uploads/photo.jpg"}}'"""
        )
        if answer.strip():
            item: dict[str, dict[str, str]] = json.loads(answer)["Item"]
            return item
        time.sleep(0.5)
    raise AssertionError(f"no row after {ROW_S} s")


def test_photo_uploaded_with_the_printed_command_gets_its_row(
    row: dict[str, dict[str, str]],
) -> None:
    assert row["status"]["S"] == "CLASSIFIED"
    assert row["version_id"]["S"]


def test_printed_query_finds_the_breed(
    shell: Shell, stack: dict[str, str], row: dict[str, dict[str, str]]
) -> None:
    query = stack["QueryCommand"].replace("Golden retriever", row["breed"]["S"])
    items = json.loads(shell.run(query))["Items"]
    assert [item["image_key"]["S"] for item in items] == ["uploads/photo.jpg"]


def test_sam_lists_the_outputs(shell: Shell, stack: dict[str, str]) -> None:
    assert stack
    assert "UploadCommand" in shell.run(typed("sam list stack-outputs"))


def test_sam_logs_shows_the_function_at_work(
    shell: Shell, stack: dict[str, str], row: dict[str, dict[str, str]]
) -> None:
    assert row
    logs = shell.run(typed("sam logs"))
    assert "uploads/photo.jpg" in logs or "classify" in logs


def test_aws_sqs_reaches_the_local_queue(shell: Shell, stack: dict[str, str]) -> None:
    answer = shell.run(
        f"aws sqs get-queue-attributes --queue-url {stack['QueueUrl']} --attribute-names All"
    )
    assert json.loads(answer)["Attributes"]["VisibilityTimeout"] == "360"


def test_dead_letters_are_tried_again_with_the_command_of_the_runbook(
    shell: Shell, cloud: Cloud, stack: dict[str, str], row: dict[str, dict[str, str]]
) -> None:
    """A message about a photo that has its row already is put there by hand: it is soon done."""
    sqs = cloud.client("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=stack["QueueUrl"], AttributeNames=["All"])
    source_arn = attributes["Attributes"]["QueueArn"]
    dead_arn = json.loads(attributes["Attributes"]["RedrivePolicy"])["deadLetterTargetArn"]
    dead_url = stack["QueueUrl"].rpartition("/")[0] + "/" + dead_arn.rpartition(":")[2]
    body = {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "eventVersion": "2.4",
                "eventTime": "2026-11-25T00:00:00.000Z",
                "s3": {
                    "bucket": {"name": stack["BucketName"]},
                    "object": {
                        "key": "uploads/photo.jpg",
                        "size": 1,
                        "eTag": "0",
                        "versionId": row["version_id"]["S"],
                        "sequencer": row["sequencer"]["S"],
                    },
                },
            }
        ]
    }
    sqs.send_message(QueueUrl=dead_url, MessageBody=json.dumps(body))

    shell.run(
        f"aws sqs start-message-move-task --source-arn {dead_arn} --destination-arn {source_arn}"
    )

    deadline = time.monotonic() + ROW_S
    listing = f"aws sqs list-message-move-tasks --source-arn {dead_arn}"
    while (task := json.loads(shell.run(listing))["Results"][0])["Status"] == "RUNNING":
        assert time.monotonic() < deadline
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)
    left = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
    for url in (dead_url, stack["QueueUrl"]):
        while any(
            int(count)
            for count in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(left))[
                "Attributes"
            ].values()
        ):
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_second_deploy_changes_nothing(
    shell: Shell, stack: dict[str, str], row: dict[str, dict[str, str]], runtime: str
) -> None:
    assert row
    shell.run(
        "sam deploy --no-confirm-changeset --no-fail-on-empty-changeset --parameter-overrides"
        f" ModelDataUrl=s3://my-models/starter/model.tar.gz FunctionRuntime={runtime}"
    )
    table = shell.run(f"aws dynamodb scan --table-name {stack['TableName']} --select COUNT")
    assert json.loads(table)["Count"] == 1


def test_stopped_and_started_cloud_still_has_the_row_and_the_endpoint(
    shell: Shell, cloud: Cloud, stack: dict[str, str], row: dict[str, dict[str, str]]
) -> None:
    cloud.stop()
    cloud.start()
    table = shell.run(typed("aws dynamodb scan"))
    assert [item["version_id"] for item in json.loads(table)["Items"]] == [row["version_id"]]
    describe = f"aws sagemaker describe-endpoint --endpoint-name {stack['EndpointName']}"
    deadline = time.monotonic() + ENDPOINT_S
    while json.loads(shell.run(describe))["EndpointStatus"] != "InService":
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_sam_delete_removes_the_stack_and_keeps_the_photos(
    shell: Shell, stack: dict[str, str], row: dict[str, dict[str, str]]
) -> None:
    assert row
    shell.run(f"{typed('sam delete')} --no-prompts")
    gone = "aws cloudformation describe-stacks --stack-name breed-classifier"
    assert shell.run(f"{gone} 2>&1 || true").count("does not exist") == 1
    assert "photo.jpg" in shell.run(f"aws s3 ls s3://{stack['BucketName']}/uploads/")
