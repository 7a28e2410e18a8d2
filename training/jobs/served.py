"""What a stack has answered lately, from its table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

# As the classify function spreads a month over the index by-month: test_served.py holds it.
MONTH_SHARDS = 4
ANSWERED = ("CLASSIFIED", "UNKNOWN_BREED", "NO_DOG")
_MOST_MONTHS = 12


def newest_answered(dynamodb: Any, table: str, most: int) -> list[dict[str, Any]]:
    """The newest rows with an answer, newest first, at most so many, none older than a year.

    Reads `most` rows of each of a month's partitions at most. Raises botocore's ClientError.
    """
    found: list[dict[str, Any]] = []
    today = datetime.now(UTC)
    year, month = today.year, today.month
    for _ in range(_MOST_MONTHS):
        rows = [
            row
            for shard in range(MONTH_SHARDS)
            for row in _partition(dynamodb, table, f"{year}-{month:02}#{shard}", most)
        ]
        found += sorted(rows, key=lambda row: str(row["classified_at"]), reverse=True)
        if len(found) >= most:
            break
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return found[:most]


def _partition(dynamodb: Any, table: str, name: str, most: int) -> list[dict[str, Any]]:
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        IndexName="by-month",
        KeyConditionExpression="month_shard = :name",
        ExpressionAttributeValues={":name": {"S": name}},
        ScanIndexForward=False,
        PaginationConfig={"MaxItems": most},
    )
    take = TypeDeserializer().deserialize
    rows = [{k: take(v) for k, v in item.items()} for page in pages for item in page["Items"]]
    return [row for row in rows if row["status"] in ANSWERED]
