"""Counts that never make a list slow: answers are counted on from where the last look ended.

A look reads at most LOOK_READS rows of the index by month. What is older than SETTLED_S is added to
the stored counts, once; younger rows, which others may still be written before, are read again by
the next look. So a look costs the rows of the last minutes, or of what nobody has looked at yet.

The stored item: `month` that is being counted, `marks` (per partition of that month the last row
that was counted), `counts` by status, `breeds` (how often each was answered), `labels` (all that
the model has shown), `revision`.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from api.filters import STATUSES
from api.listing import MONTH_SHARDS, Partition, Query, Row, Start
from api.months import after, month_of, stamp

LOOK_READS = 1000
MAX_MONTHS = 12
# Longer than the classify function may run: no row that is written later has an earlier time.
SETTLED_S = 300
# The quantile of the normal distribution for a two-sided interval of 95 %.
_Z = 1.959964


@dataclass
class Answers:
    """What was counted, up to `as_of`."""

    counts: dict[str, int]
    breeds: dict[str, int]
    labels: set[str]
    month: str
    marks: dict[str, dict[str, str]]
    as_of: str = ""

    @classmethod
    def stored(cls, item: Mapping[str, Any], first_month: str) -> "Answers":
        return cls(
            counts={status: int(item.get("counts", {}).get(status, 0)) for status in STATUSES},
            breeds={name: int(count) for name, count in item.get("breeds", {}).items()},
            labels=set(item.get("labels", ())),
            month=item.get("month", first_month),
            marks={shard: dict(mark) for shard, mark in item.get("marks", {}).items()},
        )

    def item(self) -> Row:
        return {
            "counts": dict(self.counts),
            "breeds": dict(self.breeds),
            "labels": sorted(self.labels),
            "month": self.month,
            "marks": self.marks,
        }

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.counts[row["status"]] = self.counts.get(row["status"], 0) + 1
            if breed := row.get("breed"):
                self.breeds[breed] = self.breeds.get(breed, 0) + 1
            self.labels.update(guess["label"] for guess in row.get("top", ()))

    def copy(self) -> "Answers":
        return Answers(
            dict(self.counts), dict(self.breeds), set(self.labels), self.month, dict(self.marks)
        )


@dataclass(frozen=True)
class Ports:
    read: Callable[[], tuple[Row, list[Row]]]
    save: Callable[[Row, int], bool]
    query: Query
    now: Callable[[], datetime]


def look(ports: Ports, first_month: str) -> tuple[Answers, Row]:
    """The counts of answers by now, and those of reviews."""
    item, parts = ports.read()
    stored = Answers.stored(item, first_month)
    before = stored.item()
    shown = _count_on(stored, ports.query, ports.now())
    if stored.item() != before:
        # Somebody else's look may win: then ours is only shown.
        ports.save(stored.item(), int(item.get("revision", 0)))
    return shown, _sum(parts)


def reviews(ports: Ports) -> Row:
    """The counts of reviews alone: no answer is counted for them."""
    return _sum(ports.read()[1])


def _count_on(stored: Answers, query: Query, now: datetime) -> Answers:
    """Moves `stored` on, and returns it with the younger rows added."""
    settled = stamp(now - timedelta(seconds=SETTLED_S))
    reads = 0
    for _month in range(MAX_MONTHS):
        each = (LOOK_READS - reads) // MONTH_SHARDS
        asked = [
            (_partition(stored.month, shard), _mark(stored, shard), each)
            for shard in range(MONTH_SHARDS)
        ]
        answers = query(asked, True)
        young: list[Row] = []
        behind: list[str] = []
        for shard, (rows, is_over) in enumerate(answers):
            reads += len(rows)
            old = [row for row in rows if row["classified_at"] < settled]
            stored.add(old)
            if old:
                last = old[-1]
                stored.marks[str(shard)] = {"sort": last["classified_at"], "key": last["image_key"]}
            young += rows[len(old) :]
            if not is_over:
                behind.append(rows[-1]["classified_at"])
        if behind or stored.month >= settled[:7] or reads > LOOK_READS - MONTH_SHARDS:
            break
        stored.month, stored.marks = after(stored.month), {}
    shown = stored.copy()
    caught_up = not behind and stored.month >= settled[:7]
    # Else at least what was before this month, or before the first row that is left.
    shown.as_of = (
        stamp(now) if caught_up else min(behind, default=f"{stored.month}-01T00:00:00.000000Z")
    )
    if caught_up and stored.month < month_of(now):
        # The first minutes of a month: its rows are not old enough to be counted for good.
        asked = [(_partition(month_of(now), shard), None, 100) for shard in range(MONTH_SHARDS)]
        young += [row for rows, _ in query(asked, True) for row in rows]
    shown.add(row for row in young if not behind or row["classified_at"] <= shown.as_of)
    return shown


def _partition(month: str, shard: int) -> Partition:
    return Partition("by-month", "month_shard", f"{month}#{shard}", "classified_at")


def _mark(stored: Answers, shard: int) -> Start | None:
    mark = stored.marks.get(str(shard))
    return Start(mark["sort"], mark["key"]) if mark else None


def _sum(parts: Iterable[Row]) -> Row:
    total: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            if name != "name":
                total[name] = total.get(name, 0) + int(count)
    return total


def breeds(answers: Answers, reviews: Mapping[str, int], labels: frozenset[str]) -> list[Row]:
    """Labels of the model with how often it answered so, and what people named besides.

    `labels` are those of the model that serves; those of earlier ones are what they answered.
    """
    names = labels | answers.labels | answers.breeds.keys()
    known = {name: answers.breeds.get(name, 0) for name in names}
    new = {
        name.removeprefix("new:"): count
        for name, count in reviews.items()
        if name.startswith("new:") and count > 0
    }
    listed = [{"name": name, "count": count, "known": True} for name, count in known.items()]
    listed += [
        {"name": name, "count": count, "known": False}
        for name, count in new.items()
        if name not in known
    ]
    return sorted(listed, key=lambda each: (str(each["name"]).casefold(), each["name"]))


def summary(answers: Answers, reviews: Mapping[str, int]) -> Row:
    return {
        "counts": {status: answers.counts[status] for status in STATUSES},
        "reviewed": reviews.get("reviewed", 0),
        "accuracy": accuracy(reviews.get("sample", 0), reviews.get("right", 0)),
    }


def accuracy(sample: int, right: int) -> Row | None:
    """With the score interval of E. B. Wilson, 1927, which holds for few reviews too."""
    if sample < 1:
        return None
    share = right / sample
    middle = share + _Z**2 / (2 * sample)
    half = _Z * math.sqrt(share * (1 - share) / sample + _Z**2 / (4 * sample**2))
    scale = 1 + _Z**2 / sample
    low, high = (middle - half) / scale, (middle + half) / scale
    return {
        "sample": sample,
        "right": right,
        "share": round(share, 6),
        "from": round(max(0.0, low), 6),
        "to": round(min(1.0, high), 6),
    }
