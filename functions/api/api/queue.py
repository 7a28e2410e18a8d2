"""What is best reviewed next: unknown breeds and the least sure in turn, with the random sample.

From unknown breeds a model learns new ones, from the least sure to tell apart those that it has.
Sampled photos are in neither list. They come in the random order of the index `sample`, not by
confidence: reviews of the least sure ones alone would make the model look worse than it is.
"""

from collections.abc import Callable
from datetime import datetime
from itertools import zip_longest
from typing import Any

from api.listing import MONTH_SHARDS, UNKNOWN, Partition, Plan, Query, least_sure, read_page
from api.months import month_of

Row = dict[str, Any]
SAMPLE_EVERY = 5


def read_queue(limit: int, first_month: str, now: datetime, query: Query) -> list[Row]:
    last = month_of(now)

    def by_confidence(*shards: str) -> Plan:
        return Plan(
            lambda month: [least_sure("open", month, shard) for shard in shards],
            last,
            first_month,
            forward=True,
            is_number=True,
        )

    unknown, sure = by_confidence(UNKNOWN), by_confidence(*map(str, range(MONTH_SHARDS)))
    sample = Plan(
        lambda month: [Partition("sample", "sample_key", f"open#{month}", "sample_order")],
        last,
        first_month,
        forward=True,
    )
    drawn = _read(sample, max(1, limit // SAMPLE_EVERY), query)
    wanted = limit - len(drawn)
    strange = _read(unknown, (wanted + 1) // 2, query)
    rows = _read(sure, wanted - len(strange), query)
    if len(rows) + len(strange) < wanted:
        strange = _read(unknown, wanted - len(rows), query)
    rows = _in_turn(strange, rows)
    if len(rows) + len(drawn) < limit:
        drawn = _read(sample, limit - len(rows), query)
    return _mixed(rows, drawn)


def _read(plan: Plan, limit: int, query: Query) -> list[Row]:
    if limit < 1:
        return []
    everything: Callable[[Row], bool] = lambda _row: True  # noqa: E731 - named for what it is
    return read_page(plan, None, limit, everything, query).rows


def _in_turn(first: list[Row], second: list[Row]) -> list[Row]:
    """One of each, as long as there are both."""
    pairs = zip_longest(first, second)
    return [row for pair in pairs for row in pair if row is not None]


def _mixed(rows: list[Row], drawn: list[Row]) -> list[Row]:
    """Every fifth from the sample, as long as there are others."""
    mixed: list[Row] = []
    rows, drawn = list(rows), list(drawn)
    while rows or drawn:
        mixed += rows[: SAMPLE_EVERY - 1] + drawn[:1]
        del rows[: SAMPLE_EVERY - 1], drawn[:1]
    return mixed
