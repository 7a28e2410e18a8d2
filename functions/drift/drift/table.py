"""The tables: a day's rows, page by page; days, baselines and tries, an item each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from boto3.dynamodb.conditions import Key

Row = Mapping[str, Any]
Item = dict[str, Any]

MONTH_SHARDS = 4  # as classify.rows writes them
DAY, BASELINE, TRY = "day", "baseline", "try"
# All that is counted of a row: the rest is not sent, which is most of it.
COUNTED = (
    "image_key", "classified_at", "status", "reason", "breed", "confidence", "top",
    "dog_probability", "novelty", "look", "width", "height", "size_bytes", "model_version",
    "backfill",
)  # fmt: skip
AUDITED = ("sample", "review", "status", "confidence", "model_version")


def rows_of(predictions: Any, day: date) -> Iterator[Row]:
    """Those that were answered first on this day, in UTC."""
    for shard in range(MONTH_SHARDS):
        key = Key("month_shard").eq(f"{day:%Y-%m}#{shard}")
        within = key & Key("classified_at").between(*_span(day, day))
        yield from _pages(predictions, "by-month", within, COUNTED)


def reviewed_between(predictions: Any, first: date, last: date) -> Iterator[Row]:
    """Those whose standing review is of these days, month by month."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    for month in sorted({f"{day:%Y-%m}" for day in days}):
        key = Key("reviewed_in").eq(month) & Key("reviewed_at").between(*_span(first, last))
        yield from _pages(predictions, "reviewed", key, AUDITED)


def _span(first: date, last: date) -> tuple[str, str]:
    """Rows' times are text with microseconds and a Z: the day after begins behind all of these."""
    return f"{first.isoformat()}T", f"{(last + timedelta(days=1)).isoformat()}"


def _pages(table: Any, index: str, key: Any, attributes: Sequence[str]) -> Iterator[Row]:
    # By other names: some of them are DynamoDB's own words.
    names = {f"#a{at}": name for at, name in enumerate(attributes)}
    wanted = {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
    more: dict[str, Any] = {}
    while True:
        answer = table.query(IndexName=index, KeyConditionExpression=key, **wanted, **more)
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def get(drift: Any, kind: str, name: str) -> Item | None:
    answer = drift.get_item(Key={"kind": kind, "name": name}, ConsistentRead=True)
    found: Item | None = answer.get("Item")
    return found


def put(drift: Any, kind: str, name: str, item: Item) -> None:
    drift.put_item(Item={"kind": kind, "name": name, **item})
