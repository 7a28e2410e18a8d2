"""Which rows are the newest answered ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from classify import rows
from drift import table
from lister import rows as listed

from rigs.rows import make_rejected, make_row
from training.jobs import served


class Table:
    """The index by-month, as a paginator of DynamoDB's Query reads it."""

    def __init__(self, stored: list[dict[str, Any]]) -> None:
        self._stored = stored
        self.read = 0

    def get_paginator(self, _name: str) -> Table:
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        (name,) = asked["ExpressionAttributeValues"].values()
        found = [row for row in self._stored if row["month_shard"] == name["S"]]
        found.sort(key=lambda row: str(row["classified_at"]), reverse=not asked["ScanIndexForward"])
        found = found[: asked["PaginationConfig"]["MaxItems"]]
        self.read += len(found)
        put = TypeSerializer().serialize
        return [{"Items": [{name: put(value) for name, value in row.items()} for row in found]}]


def test_months_have_the_shards_that_the_function_writes() -> None:
    for reader in (served, table, listed):
        assert reader.MONTH_SHARDS == rows.MONTH_SHARDS


def test_newest_answers_come_first_over_shards_and_months() -> None:
    now = datetime.now(UTC)
    stored = [
        make_row(f"uploads/{day}.jpg", at=now - timedelta(days=day), unknown=day == 3)
        for day in range(80)
    ]
    stored.append(make_rejected("uploads/words.txt", now))
    table = Table(stored)

    found = served.newest_answered(table, "predictions", 50)

    assert [row["image_key"] for row in found] == [f"uploads/{day}.jpg" for day in range(50)]
    assert table.read < len(stored)
    assert served.newest_answered(Table([]), "predictions", 50) == []
