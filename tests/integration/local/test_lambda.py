"""What the classify function relies on: redelivery, S3's event fields, and its own environment."""

from __future__ import annotations

import io
import json
import os
import signal
import textwrap
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest

from local.children import descendants
from local.launch import Cloud
from tests.waiting import wait_until

VISIBILITY_S = 2

# Writes each record's receive count to the table; what it does then is the message's body.
HANDLER = textwrap.dedent(
    """
    import json, os, sys, time
    import boto3

    table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

    def handle(event, context):
        failed = []
        for record in event["Records"]:
            count = int(record["attributes"]["ApproximateReceiveCount"])
            word = record["body"]
            facts = {"pid": os.getpid(), "count": count}
            facts |= {name: os.environ.get(name, "") for name in ("AWS_ENDPOINT_URL", "PYTHONPATH")}
            item = {"k": f"{word}#{count}", "facts": json.dumps(facts)}
            table.put_item(Item=item)
            if count == 1 and word == "partial":
                failed.append({"itemIdentifier": record["messageId"]})
            if count == 1 and word in ("hang", "over"):
                time.sleep(60)
        return {"batchItemFailures": failed}
    """
)


class Pipeline:
    """A queue, a function that reads it and a table that the function writes."""

    def __init__(self, cloud: Cloud) -> None:
        name = f"fn-{uuid.uuid4().hex[:8]}"
        self._sqs, self._dynamodb = cloud.client("sqs"), cloud.client("dynamodb")
        self._table = name
        self._dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        )
        self.queue_url = self._sqs.create_queue(
            QueueName=name, Attributes={"VisibilityTimeout": str(VISIBILITY_S)}
        )["QueueUrl"]
        lambda_ = cloud.client("lambda")
        lambda_.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="app.handle",
            Role="arn:aws:iam::123456789012:role/any",
            Timeout=4,
            Code={"ZipFile": _zip()},
            Environment={"Variables": {"TABLE": name}},
        )
        lambda_.create_event_source_mapping(
            FunctionName=name,
            EventSourceArn=f"arn:aws:sqs:us-east-1:123456789012:{name}",
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
            ScalingConfig={"MaximumConcurrency": 5},
        )

    def send(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)

    def facts(self, body: str, count: int) -> dict[str, Any]:
        """What the function wrote when it got the message for the `count`th time."""

        def item() -> dict[str, Any] | None:
            found: dict[str, Any] = self._dynamodb.get_item(
                TableName=self._table, Key={"k": {"S": f"{body}#{count}"}}
            )
            return found.get("Item")

        facts: dict[str, Any] = json.loads(wait_until(item)["facts"]["S"])
        return facts

    def waits_for_nothing(self) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)
        return all(answer["Attributes"][name] == "0" for name in names)


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", HANDLER)
    return out.getvalue()


@pytest.fixture(scope="module")
def pipeline(cloud: Cloud) -> Pipeline:
    return Pipeline(cloud)


def test_partial_failure_is_redelivered_and_then_acknowledged(pipeline: Pipeline) -> None:
    pipeline.send("partial")

    assert pipeline.facts("partial", 2)["count"] == 2
    wait_until(pipeline.waits_for_nothing)


def test_message_of_a_killed_worker_is_redelivered_to_another(
    cloud: Cloud, pipeline: Pipeline
) -> None:
    pipeline.send("hang")
    worker = pipeline.facts("hang", 1)["pid"]
    assert cloud.pid is not None
    assert worker in descendants(cloud.pid)  # so a test can find it with ps

    os.kill(worker, signal.SIGKILL)

    assert pipeline.facts("hang", 2)["pid"] != worker
    wait_until(pipeline.waits_for_nothing)


def test_function_over_its_timeout_is_killed_and_its_message_redelivered(
    pipeline: Pipeline,
) -> None:
    pipeline.send("over")
    worker = pipeline.facts("over", 1)["pid"]

    assert pipeline.facts("over", 2)["pid"] != worker


def test_worker_gets_the_cloud_and_nothing_of_the_users_shell(
    cloud: Cloud, pipeline: Pipeline
) -> None:
    pipeline.send("look")

    facts = pipeline.facts("look", 1)
    assert facts["AWS_ENDPOINT_URL"] == cloud.url
    assert facts["PYTHONPATH"] == ""


def test_worker_calls_the_proxy_that_the_cloud_was_started_with(tmp_path: Path) -> None:
    proxied = Cloud(tmp_path / "state", worker_endpoint_url="http://127.0.0.1:9")
    proxied.start()
    try:
        output = proxied.output()
    finally:
        proxied.stop()

    assert "Lambda workers call http://127.0.0.1:9 (from AWS_ENDPOINT_URL)" in output


def test_s3_events_carry_version_and_a_sequencer_that_grows(cloud: Cloud) -> None:
    # GIVEN a versioned bucket that tells a queue
    s3, sqs = cloud.client("s3"), cloud.client("sqs")
    name = f"events-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    queue_arn = f"arn:aws:sqs:us-east-1:123456789012:{name}"
    s3.put_bucket_notification_configuration(
        Bucket=name,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": queue_arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )

    # WHEN one key is written five times
    versions = [
        s3.put_object(Bucket=name, Key="uploads/a b+ü.jpg", Body=b"%d" % i)["VersionId"]
        for i in range(5)
    ]

    # THEN each event names its version, and the sequencers are in the order of the writes
    objects: dict[str, dict[str, str]] = {}

    def all_there() -> bool:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
            "Messages", []
        ):
            for record in json.loads(message["Body"]).get("Records", []):
                found = record["s3"]["object"]
                objects[found["versionId"]] = found
        return len(objects) == len(versions)

    wait_until(all_there)
    sequencers = [objects[version]["sequencer"] for version in versions]
    assert sequencers == sorted(sequencers)
    assert len(set(sequencers)) == len(versions)
    assert {found["key"] for found in objects.values()} == {"uploads/a+b%2B%C3%BC.jpg"}
