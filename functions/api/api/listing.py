"""A page of a list: partitions of an index, merged by small queries.

It reads at most `limit` x 1.2 rows, whatever the table's size.

An index spreads a month over a few partitions (`MONTH_SHARDS` of the classify function). The merge
reads a little of each, and more of the one that runs dry. One position continues all of them: of
its own partition just behind the row, of those with lower numbers what sorts behind it, of those
with higher numbers also what sorts the same. Ties are taken in the order of the numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from api.cursors import Position
from api.filters import Filters
from api.months import before, month_of

MONTH_SHARDS = 4
# The partition by confidence of a month's unknown breeds.
UNKNOWN = "unknown"
# How many months one request looks into: each costs a query a partition, whether or not there is
# anything.
MAX_MONTHS = 12
# Behind every time of a day, and right before every number that a row can have above another.
_BEHIND = "~"
_LEAST = Decimal("1e-20")

Row = dict[str, Any]
Sort = str | Decimal


@dataclass(frozen=True)
class Partition:
    """One value of an index's hash key, with what is asked of its range key (both included)."""

    index: str
    hash_name: str
    hash_value: str
    sort_name: str
    low: Sort | None = None
    high: Sort | None = None


@dataclass(frozen=True)
class Start:
    """The row behind which a partition goes on."""

    sort: Sort
    key: str


class Query(Protocol):
    """Rows of partitions, asked at once: (rows, whether there are none after them) for each."""

    def __call__(
        self, asked: Sequence[tuple[Partition, Start | None, int]], forward: bool
    ) -> list[tuple[list[Row], bool]]: ...


@dataclass
class Page:
    rows: list[Row]
    next: Position | None
    reads: int


@dataclass
class _Stream:
    number: int
    partition: Partition
    start: Start | None
    rows: list[Row] = field(default_factory=list)
    is_over: bool = False

    def head(self) -> Sort:
        sort: Sort = self.rows[0][self.partition.sort_name]
        return sort


@dataclass(frozen=True)
class Plan:
    """Which partitions a list is in, month by month, and in which direction they are read."""

    partitions: Callable[[str], Sequence[Partition]]
    last_month: str
    first_month: str
    forward: bool = False
    is_number: bool = False


def plan_for(filters: Filters, now: datetime, first_month: str) -> Plan:
    """The index that leaves least to sort out."""
    last = min(month_of(now), (filters.day_to or "9999")[:7])
    first = max(first_month, (filters.day_from or "")[:7])
    if filters.order == "least_sure":
        return Plan(lambda month: _by_confidence(month, filters), last, first, True, True)
    if filters.reviewed:
        # By time of review, which is never before that of the answer.
        return Plan(
            lambda month: [Partition("reviewed", "reviewed_in", month, "reviewed_at")],
            month_of(now),
            first,
        )
    low = filters.day_from
    high = filters.day_to + _BEHIND if filters.day_to else None
    if filters.breed is not None:
        breed = Partition("by-breed", "breed", filters.breed, "classified_at", low, high)
        wanted = filters.status in (None, "CLASSIFIED")
        return Plan(lambda _month: [breed] if wanted else [], "9999-12", "9999-12")
    if filters.status in ("UNKNOWN_BREED", "NO_DOG", "REJECTED"):
        start = f"{filters.status}#"
        index, name = "by-status", "status_month"
    else:
        start, index, name = "", "by-month", "month_shard"
    return Plan(
        lambda month: [
            Partition(index, name, f"{start}{month}#{shard}", "classified_at", low, high)
            for shard in range(MONTH_SHARDS)
        ],
        last,
        first,
    )


def _by_confidence(month: str, filters: Filters) -> list[Partition]:
    status = filters.status
    if status == "REJECTED" or (filters.breed and status not in (None, "CLASSIFIED")):
        return []
    shards = [*map(str, range(MONTH_SHARDS)), "sample", UNKNOWN]
    if status == "UNKNOWN_BREED":
        shards = ["sample", UNKNOWN]
    elif status or filters.breed:
        shards.remove(UNKNOWN)
    states = {None: ("open", "done"), False: ("open",), True: ("done",)}[filters.reviewed]
    return [
        least_sure(state, month, shard, filters.confidence_from, filters.confidence_to)
        for state in states
        for shard in shards
    ]


def least_sure(
    state: str, month: str, shard: str, low: Sort | None = None, high: Sort | None = None
) -> Partition:
    value = f"{state}#{month}#{shard}"
    return Partition("by-confidence", "confidence_key", value, "confidence", low, high)


def read_page(
    plan: Plan,
    at: Position | None,
    limit: int,
    match: Callable[[Row], bool],
    query: Query,
) -> Page:
    """The rows that match from `at` on. It may hold fewer than `limit` and still have a `next`."""
    position = at or Position(plan.last_month)
    page = Page([], None, 0)
    budget = budget_of(limit)
    for _ in range(MAX_MONTHS):
        if position.month < plan.first_month:
            return page
        partitions = plan.partitions(position.month)
        if budget - page.reads < len(partitions) or len(page.rows) >= limit:
            break
        merge = _Merge(plan, partitions, position, query)
        position = merge.fill(page, limit, budget, match)
        if not merge.is_over:
            break
        position = Position(before(position.month))
    page.next = position if position.month >= plan.first_month else None
    return page


def budget_of(limit: int) -> int:
    """Item reads of one page. Twelve partitions need two each to get on."""
    return max(24, limit * 6 // 5)


class _Merge:
    """The partitions of one month, from a position on."""

    def __init__(
        self, plan: Plan, partitions: Sequence[Partition], position: Position, query: Query
    ) -> None:
        self._forward = plan.forward
        self._query = query
        self._position = position
        sort: Sort = position.sort
        if plan.is_number and not position.is_start:
            sort = Decimal(position.sort)
        self._streams = [
            self._stream(number, partition, position, sort)
            for number, partition in enumerate(partitions)
        ]

    @property
    def is_over(self) -> bool:
        return all(stream.is_over and not stream.rows for stream in self._streams)

    def fill(self, page: Page, limit: int, budget: int, match: Callable[[Row], bool]) -> Position:
        """Adds rows to `page`, and says behind which one it ends."""
        self._refill(page, limit, budget, share=0.8)
        while len(page.rows) < limit:
            if any(not stream.rows and not stream.is_over for stream in self._streams):
                if page.reads >= budget:
                    break
                self._refill(page, limit, budget, share=1)
                continue
            stream = self._first()
            if stream is None:
                break
            row = stream.rows.pop(0)
            sort = str(row[stream.partition.sort_name])
            self._position = Position(self._position.month, stream.number, sort, row["image_key"])
            if match(row):
                page.rows.append(row)
        return self._position

    def _first(self) -> _Stream | None:
        """The one whose turn it is; of equals the one with the lowest number."""
        full = [stream for stream in self._streams if stream.rows]
        if not full:
            return None
        pick = min if self._forward else max
        return pick(full, key=lambda stream: stream.head())

    def _refill(self, page: Page, limit: int, budget: int, share: float) -> None:
        """Reads for those that have run dry their part of what is still wanted."""
        dry = [stream for stream in self._streams if not stream.rows and not stream.is_over]
        alive = sum(not stream.is_over or bool(stream.rows) for stream in self._streams)
        left = budget - page.reads
        wanted = min(limit - len(page.rows), left)
        asked = []
        for stream in dry:
            count = min(max(2, int(share * wanted / max(1, alive))), left)
            if count:
                asked.append((stream, count))
                left -= count
        answers = self._query(
            [(stream.partition, stream.start, count) for stream, count in asked], self._forward
        )
        for (stream, _count), (rows, is_over) in zip(asked, answers, strict=True):
            page.reads += len(rows)
            stream.rows, stream.is_over = rows, is_over
            if rows:
                last = rows[-1]
                stream.start = Start(last[stream.partition.sort_name], last["image_key"])

    def _stream(self, number: int, partition: Partition, position: Position, sort: Sort) -> _Stream:
        if position.is_start:
            return _Stream(number, partition, None)
        if number == position.stream:
            return _Stream(number, partition, Start(sort, position.key))
        rest = _behind(partition, sort, number > position.stream, self._forward)
        return _Stream(number, rest, None)


def _behind(partition: Partition, sort: Sort, including: bool, forward: bool) -> Partition:
    """What of the partition sorts behind `sort`, or also the same."""
    low, high = partition.low, partition.high
    if forward:
        low = sort if including else _above(sort)
    else:
        high = sort if including else _below(sort)
    return Partition(
        partition.index, partition.hash_name, partition.hash_value, partition.sort_name, low, high
    )


def _above(sort: Sort) -> Sort:
    if isinstance(sort, Decimal):
        return sort + _LEAST
    return sort + "\x00"


def _below(sort: Sort) -> Sort:
    """No time lies between."""
    if isinstance(sort, Decimal):
        return sort - _LEAST
    return sort[:-1] + chr(ord(sort[-1]) - 1) + _BEHIND
