"""The test split through a pipeline, here S3, SQS and DynamoDB of moto."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from training.figures.metrics import Proportion
from training.jobs import evaluate
from training.jobs.errors import CommandError
from training.jobs.stack import Stack

LABELS = ("Beagle", "Pug")


@pytest.fixture
def stack() -> Iterator[Stack]:
    with mock_aws():
        _client("s3").create_bucket(Bucket="uploads")
        _client("dynamodb").create_table(
            TableName="rows",
            AttributeDefinitions=[{"AttributeName": "image_key", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "image_key", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        urls = [
            _client("sqs").create_queue(QueueName=name)["QueueUrl"] for name in ("queue", "dead")
        ]
        yield Stack("s", "uploads", "rows", "e", *urls)


def _client(service: str) -> Any:
    return boto3.client(
        service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y"
    )


def _photos(folder: Path, count: int) -> list[evaluate.Shown]:
    paths = [folder / f"photo {number}.JPG" for number in range(count)]
    for path in paths:
        path.write_bytes(path.name.encode())
    return evaluate.keys([(path, number % 2) for number, path in enumerate(paths)])


def _row(photo: evaluate.Shown, number: int) -> dict[str, Any]:
    """Every third photo is refused, of the others every tenth wrong; every 25th of no breed."""
    row: dict[str, Any] = {"image_key": photo.key, "model_version": "v1"}
    if number % 3 == 0:
        return row | {"status": "NO_DOG"}
    told = LABELS[photo.index] if number % 10 else LABELS[1 - photo.index]
    top = [{"label": told, "probability": Decimal("0.9")}]
    if number % 25 == 0:
        return row | {"status": "UNKNOWN_BREED", "top": top}
    found = {"status": "CLASSIFIED", "breed": told, "confidence": Decimal("0.9"), "top": top}
    return row | found


def test_every_photo_is_uploaded_and_counted(stack: Stack, tmp_path: Path) -> None:
    photos = _photos(tmp_path, 230)
    table = boto3.resource(
        "dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y"
    ).Table("rows")
    with table.batch_writer() as batch:
        for number, photo in enumerate(photos):
            batch.put_item(Item=_row(photo, number))
    heard: dict[str, int] = {}

    result = evaluate.run(_client, stack, photos, LABELS, heard.__setitem__)

    stored = _client("s3").list_objects_v2(Bucket="uploads")["Contents"]
    assert {item["Key"] for item in stored} == {photo.key for photo in photos}
    assert all(key["Key"].startswith("uploads/evaluate-") for key in stored)
    refused = len(range(0, 230, 3))
    wrong = sum(1 for number in range(230) if number % 3 and number % 10 == 0)
    strange = [number for number in range(0, 230, 25) if number % 3]
    assert result.statuses == {
        "NO_DOG": refused,
        "UNKNOWN_BREED": len(strange),
        "CLASSIFIED": 230 - refused - len(strange),
    }
    # An unknown breed is ranked by the nearest one, and names none.
    near = sum(1 for number in strange if number % 10)
    assert (result.named.hits, result.named.n) == (result.top1.hits - near, 230)
    assert near
    assert (result.top1.hits, result.top1.n) == (230 - refused - wrong, 230)
    assert result.versions == {"v1": 230}
    at_90 = next(one for one in result.coverage if one.threshold == 0.9)
    classified = 230 - refused - len(strange)
    assert at_90.right == Proportion(result.named.hits, classified)
    assert at_90.share == classified / 230
    assert result.coverage[-1].words() == "no photo is answered with at least 99%"
    assert heard == {"uploaded": 230, "rows": 230}


def test_photos_without_rows_end_the_wait_with_the_queues_counts(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a queue whose messages come back after no time at all
    monkeypatch.setattr(evaluate, "MARGIN_S", 0.0)
    _client("sqs").set_queue_attributes(
        QueueUrl=stack.queue_url, Attributes={"VisibilityTimeout": "0"}
    )
    _client("sqs").send_message(QueueUrl=stack.dead_letter_queue_url, MessageBody="lost")

    with pytest.raises(CommandError) as caught:
        evaluate.run(_client, stack, _photos(tmp_path, 2), LABELS, lambda *_: None)

    assert "2 photos have no row" in str(caught.value)
    assert "dead-letter queue: 1 waiting" in str(caught.value)


def test_wait_outlasts_a_crash_of_a_serverless_function(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _client("sqs").set_queue_attributes(
        QueueUrl=stack.queue_url, Attributes={"VisibilityTimeout": "1440"}
    )
    now_s = 0.0

    def sleep(_: float) -> None:
        nonlocal now_s
        now_s += 60

    monkeypatch.setattr(evaluate.time, "sleep", sleep)
    monkeypatch.setattr(evaluate.time, "monotonic", lambda: now_s)

    with pytest.raises(CommandError, match="none has appeared for 1500 s"):
        evaluate.run(_client, stack, _photos(tmp_path, 2), LABELS, lambda *_: None)

    assert now_s > 1500


def test_two_runs_never_share_a_key(tmp_path: Path) -> None:
    first, second = _photos(tmp_path, 3), _photos(tmp_path, 3)

    assert not {photo.key for photo in first} & {photo.key for photo in second}


def test_clean_up_deletes_the_runs_photos_and_rows_and_no_others(
    stack: Stack, tmp_path: Path
) -> None:
    photos = _photos(tmp_path, 3)
    for key in [photo.key for photo in photos] + ["uploads/mine.jpg"]:
        _client("s3").put_object(Bucket=stack.bucket, Key=key, Body=b"x")
        _client("dynamodb").put_item(TableName=stack.table, Item={"image_key": {"S": key}})
    evaluate.clean_up(_client, stack, photos)

    left = _client("s3").list_objects_v2(Bucket=stack.bucket)["Contents"]
    rows = _client("dynamodb").scan(TableName=stack.table)["Items"]
    assert [entry["Key"] for entry in left] == ["uploads/mine.jpg"]
    assert [row["image_key"]["S"] for row in rows] == ["uploads/mine.jpg"]
