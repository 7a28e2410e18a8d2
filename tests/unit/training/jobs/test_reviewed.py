"""How right a model was: by the reviews of its own answers, whatever has answered since."""

from __future__ import annotations

from typing import Any

import boto3
from moto import mock_aws

from training.jobs.governance import reviewed

OLD = {"status": "CLASSIFIED", "breed": "Pug", "model_version": "old"}


def row(number: int, verdict: str, model: str, answer: dict[str, str] | None = None) -> Any:
    review: dict[str, Any] = {"verdict": verdict} | ({"answer": answer} if answer else {})
    return {
        "image_key": f"uploads/{number}.jpg", "status": "CLASSIFIED", "breed": "Boxer",
        "model_version": model, "sample": True, "review": review, "reviewed_in": "2026-11",
        "reviewed_at": f"2026-11-26T12:00:0{number}Z",
    }  # fmt: skip


@mock_aws
def test_review_counts_for_the_model_that_it_was_about() -> None:
    dynamodb = boto3.client("dynamodb", region_name="us-east-1")
    keys = ("image_key", "reviewed_in", "reviewed_at")
    dynamodb.create_table(
        TableName="rows",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        KeySchema=[{"AttributeName": "image_key", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "reviewed",
                "KeySchema": [
                    {"AttributeName": "reviewed_in", "KeyType": "HASH"},
                    {"AttributeName": "reviewed_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    table = boto3.resource("dynamodb", region_name="us-east-1").Table("rows")
    for item in (
        row(0, "RIGHT", "old"),
        row(1, "WRONG_BREED", "old"),
        # judged before the new model answered these again
        row(2, "RIGHT", "new", OLD),
        row(3, "NO_DOG", "new", {"status": "NO_DOG", "model_version": "old"}),
        row(4, "RIGHT", "new"),
        row(5, "UNSURE", "new"),
    ):
        table.put_item(Item=item)
    assert reviewed(dynamodb, "rows", "old") == (4, 3)
    assert reviewed(dynamodb, "rows", "new") == (1, 1)
