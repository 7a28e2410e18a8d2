"""The table of deployments: what was deployed, when, by whom, instead of what, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from training.jobs.errors import UsageError

Item = dict[str, Any]


@dataclass(frozen=True)
class Log:
    """The deployments of one stack. `dynamodb` is boto3's client."""

    dynamodb: Any
    table: str
    stack: str

    def add(self, facts: Mapping[str, Any]) -> Item:
        """Write one deployment that has just happened; empty facts are left out."""
        item = {name: _number(value) for name, value in facts.items() if value not in (None, "")}
        item |= {"stack": self.stack, "at": stamp(datetime.now(UTC))}
        written = TypeSerializer()
        self.dynamodb.put_item(
            TableName=self.table,
            Item={name: written.serialize(value) for name, value in item.items()},
        )
        return item

    def all(self) -> list[Item]:
        """Newest first."""
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="stack = :stack",
            ExpressionAttributeValues={":stack": {"S": self.stack}},
            ScanIndexForward=False,
        )
        read = TypeDeserializer()
        return [
            {name: read.deserialize(value) for name, value in row.items()}
            for page in pages
            for row in page["Items"]
        ]


def stamp(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds, so that text sorts as time does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def day_of(text: str) -> date:
    """Raises UsageError."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"AT={text}: not a day such as 2026-03-03.") from error


def serving_on(items: Sequence[Item], day: date) -> list[Item]:
    """Of `items`, newest first: those that served at some time of the day (UTC)."""
    begins, ends = day.isoformat(), (day + timedelta(days=1)).isoformat()
    found = []
    for item in items:
        if item["at"] < ends:
            found.append(item)
            if item["at"] <= begins:
                break
    return found


def serving_at(items: Sequence[Item], moment: str) -> Item | None:
    """Of `items`, newest first: the one that served at the moment (ISO 8601, UTC)."""
    return next((item for item in items if item["at"] <= moment), None)


def _number(value: Any) -> Any:
    """DynamoDB takes no float."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, Mapping):
        return {name: _number(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_number(each) for each in value]
    return value
