"""The deployed stack behind a proxy that breaks calls, in a hurry, and questions about it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.config import Config

from local.children import listening_port
from local.launch import Cloud
from rigs.faults import Call, FaultProxy
from tests.schemas import check
from tours.stack import PREFIX, read_rows

UPLOADERS = 8
# Ten tries: 0.75 x (1 + 2 + 4 + 8 + 5 x 10) = 48 s at least, more than the local endpoint needs to
# come back; 13 hours as deployed.
FIRST_WAIT_S, LONGEST_WAIT_S, TRIES = 1, 10, 10
VISIBILITY_S = 20
ENDPOINT_TIMEOUT_S = 3
# From its third try on a photo that ends the process comes back no sooner than this.
FUNCTION_TIMEOUT_S = 24
QUIET_S = 600


@dataclass(frozen=True)
class Upload:
    """One put: the key below the prefix, the bytes, and which statuses are right for it."""

    key: str
    content: bytes
    right: frozenset[str]
    code: str = ""


@dataclass
class Pipeline:
    """The deployed stack behind the proxy."""

    cloud: Cloud
    proxy: FaultProxy
    outputs: dict[str, str]

    def __post_init__(self) -> None:
        self.s3 = self.cloud.client("s3", config=Config(max_pool_connections=UPLOADERS))
        self.sqs = self.cloud.client("sqs")
        self.table = self.cloud.resource("dynamodb").Table(self.outputs["TableName"])

    def endpoint(self) -> tuple[int, int]:
        """Process id and port of this cloud's serving process."""
        mark, found = str(self.cloud.state_dir).encode(), []
        for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
            words = cmdline.read_bytes() if cmdline.exists() else b""
            if b"serving\0" in words and b"--model-dir" in words and mark in words:
                found.append(int(cmdline.parts[2]))
        (process,) = found
        port = listening_port(process)
        assert port is not None
        return process, port

    def kill_endpoint(self, _call: Call) -> None:
        """kill -9 the serving process of this cloud."""
        process, _ = self.endpoint()
        os.kill(process, signal.SIGKILL)

    def refusals(self) -> int:
        """How many of the function's log lines tell of a 429."""
        pages = self.cloud.client("logs").get_paginator("filter_log_events")
        name = f"/aws/lambda/{self.outputs['FunctionName']}"
        found = pages.paginate(logGroupName=name, filterPattern='"429"')
        return sum(len(page["events"]) for page in found)

    def put(self, upload: Upload) -> None:
        self.s3.put_object(
            Bucket=self.outputs["BucketName"], Key=PREFIX + upload.key, Body=upload.content
        )

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["image_key"].removeprefix(PREFIX): row for row in read_rows(self.table)}

    def row_that(self, key: str, is_right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The key's row, once it is there and right."""
        deadline = time.monotonic() + QUIET_S
        while time.monotonic() < deadline:
            row: dict[str, Any] = self.table.get_item(Key={"image_key": PREFIX + key}).get(
                "Item", {}
            )
            if row and is_right(row):
                check("row", row)
                return row
            time.sleep(0.2)
        raise AssertionError(f"no such row of {key} after {QUIET_S} s")

    def soon(self, is_so: Callable[[], bool]) -> bool:
        """Whether it becomes so: what follows a row takes a moment."""
        deadline = time.monotonic() + QUIET_S
        while not is_so():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        return True

    def messages(self, queue: str) -> int:
        """Messages that wait or are in flight."""
        answer = self.sqs.get_queue_attributes(
            QueueUrl=self.outputs[queue], AttributeNames=["All"]
        )["Attributes"]
        kinds = ("", "NotVisible", "Delayed")
        return sum(int(answer.get(f"ApproximateNumberOfMessages{kind}", 0)) for kind in kinds)

    def dead_letters(self) -> list[str]:
        """The keys in the dead-letter queue."""
        keys = []
        while batch := self.sqs.receive_message(
            QueueUrl=self.outputs["DeadLetterQueueUrl"],
            MaxNumberOfMessages=10,
            VisibilityTimeout=900,
        ).get("Messages"):
            for message in batch:
                keys += [r["s3"]["object"]["key"] for r in json.loads(message["Body"])["Records"]]
        return sorted(key.removeprefix(PREFIX) for key in keys)

    def deliver_again(self, row: dict[str, Any], sequencer: str) -> None:
        """Send the event of a row's object version once more, as S3 sometimes does."""
        record = {
            "eventVersion": "2.3",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventTime": "2026-01-01T00:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "s3": {
                "s3SchemaVersion": "1.0",
                "bucket": {"name": self.outputs["BucketName"]},
                "object": {
                    "key": row["image_key"],
                    "versionId": row["version_id"],
                    "eTag": row["etag"],
                    "sequencer": sequencer,
                },
            },
        }
        self.sqs.send_message(
            QueueUrl=self.outputs["QueueUrl"], MessageBody=json.dumps({"Records": [record]})
        )


def hasten(cloud: Cloud, outputs: dict[str, str]) -> None:
    """Tries within seconds, few of them, and time-outs that the test can wait for."""
    sqs, url = cloud.client("sqs"), outputs["QueueUrl"]
    given = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    redrive = json.loads(given["RedrivePolicy"]) | {"maxReceiveCount": TRIES}
    sqs.set_queue_attributes(
        QueueUrl=url,
        Attributes={
            "VisibilityTimeout": str(VISIBILITY_S),
            "RedrivePolicy": json.dumps(redrive),
        },
    )
    function = cloud.client("lambda")
    name = outputs["FunctionName"]
    variables = function.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    variables |= {
        "ENDPOINT_TIMEOUT_S": str(ENDPOINT_TIMEOUT_S),
        "FIRST_WAIT_S": str(FIRST_WAIT_S),
        "LONGEST_WAIT_S": str(LONGEST_WAIT_S),
    }
    function.update_function_configuration(
        FunctionName=name, Timeout=FUNCTION_TIMEOUT_S, Environment={"Variables": variables}
    )
