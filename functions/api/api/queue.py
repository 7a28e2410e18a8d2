"""What is best reviewed next: the least sure, and the random sample among them.

Sampled photos are not in the first list. They come in the random order of the index `sample`, not
by confidence: reviews of the least sure ones alone would make the model look worse than it is.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from api.listing import MONTH_SHARDS, Partition, Plan, Query, least_sure, read_page
from api.months import month_of

Row = dict[str, Any]
SAMPLE_EVERY = 5


def read_queue(limit: int, first_month: str, now: datetime, query: Query) -> list[Row]:
    last = month_of(now)
    sure = Plan(
        lambda month: [least_sure("open", month, str(shard)) for shard in range(MONTH_SHARDS)],
        last,
        first_month,
        forward=True,
        is_number=True,
    )
    sample = Plan(
        lambda month: [Partition("sample", "sample_key", f"open#{month}", "sample_order")],
        last,
        first_month,
        forward=True,
    )
    drawn = _read(sample, max(1, limit // SAMPLE_EVERY), query)
    rows = _read(sure, limit - len(drawn), query) if limit > len(drawn) else []
    if len(rows) + len(drawn) < limit:
        drawn = _read(sample, limit - len(rows), query)
    return _mixed(rows, drawn)


def _read(plan: Plan, limit: int, query: Query) -> list[Row]:
    everything: Callable[[Row], bool] = lambda _row: True  # noqa: E731 - named for what it is
    return read_page(plan, None, limit, everything, query).rows


def _mixed(rows: list[Row], drawn: list[Row]) -> list[Row]:
    """Every fifth from the sample, as long as there are others."""
    mixed: list[Row] = []
    rows, drawn = list(rows), list(drawn)
    while rows or drawn:
        mixed += rows[: SAMPLE_EVERY - 1] + drawn[:1]
        del rows[: SAMPLE_EVERY - 1], drawn[:1]
    return mixed
