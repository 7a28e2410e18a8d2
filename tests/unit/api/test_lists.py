"""Lists: whole, in order, and at a cost bound by the page, whatever is filtered and how."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from api.cursors import Position, seal, unseal
from api.filters import Filters
from api.identifiers import id_of
from api.listing import Partition, Row, Start, budget_of, plan_for, read_page
from hypothesis import given, settings
from hypothesis import strategies as st

from rigs.rows import NOW, make_deleted, make_rejected, make_row
from tests.unit.api.world import World, send

BREEDS = ("Pug", "Boxer", None)


def fill(world: World, count: int = 45, seed: int = 1) -> list[dict[str, Any]]:
    """Rows of three months, with ties of time and of confidence, some of them reviewed."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        at = NOW - timedelta(days=chance.randrange(75), seconds=chance.randrange(3))
        key = f"uploads/{number:04}.jpg"
        if number % 9 == 0:
            rows.append(make_rejected(key, at))
            continue
        confidence = chance.choice([1.0, 0.5, round(chance.random(), 6)])
        model = chance.choice(["one", "two"])
        breed, sample = chance.choice(BREEDS), number % 11 == 0
        unknown = breed is not None and number % 4 == 0
        rows.append(
            make_row(
                key, breed, confidence, at, sample=sample, model_version=model, unknown=unknown
            )
        )
    world.put(*rows)
    for row in rows[::7]:
        if row["status"] != "REJECTED":
            world.review("UNSURE", key=row["image_key"])
    return [world.row(row["image_key"]) for row in rows]


FILTERS: list[dict[str, Any]] = [
    {},
    {"status": "CLASSIFIED"},
    {"status": "UNKNOWN_BREED"},
    {"status": "NO_DOG"},
    {"status": "REJECTED"},
    {"breed": "Pug"},
    {"breed": "Pug", "status": "NO_DOG"},
    {"breed": "Pug", "status": "UNKNOWN_BREED"},
    {"breed": "Pug", "status": "CLASSIFIED"},
    {"reviewed": "true"},
    {"reviewed": "false"},
    {"reviewed": "false", "status": "UNKNOWN_BREED"},
    {"reviewed": "true", "status": "UNKNOWN_BREED"},
    {"reviewed": "true", "breed": "Boxer"},
    {"confidence_from": "0.5", "confidence_to": "0.9"},
    {"confidence_from": "1"},
    {"day_from": "2026-10-10", "day_to": "2026-11-10"},
    {"day_to": "2026-10-20", "breed": "Pug"},
    {"model_version": "two"},
    {"model_version": "one", "status": "NO_DOG", "reviewed": "false"},
]


@pytest.mark.parametrize("order", ["newest", "least_sure"])
@pytest.mark.parametrize("limit", [6, 50])
def test_list_holds_every_row_that_matches_once_and_in_order(
    world: World, order: str, limit: int
) -> None:
    rows = fill(world)
    for asked in FILTERS:
        filters = Filters(
            status=asked.get("status"),
            breed=asked.get("breed"),
            reviewed={"true": True, "false": False, None: None}[asked.get("reviewed")],
            confidence_from=Decimal(asked["confidence_from"])
            if "confidence_from" in asked
            else None,
            confidence_to=Decimal(asked["confidence_to"]) if "confidence_to" in asked else None,
            day_from=asked.get("day_from"),
            day_to=asked.get("day_to"),
            model_version=asked.get("model_version"),
        )
        by_key = {row["image_key"]: row for row in rows if filters.match(row)}
        if order == "least_sure":
            by_key = {key: row for key, row in by_key.items() if "confidence" in row}

        pages = world.pages(limit, order=order, **asked)

        found = [item["key"] for page in pages for item in page["items"]]
        assert sorted(found) == sorted(by_key), asked
        sorts = [place(by_key[key], order, asked) for key in found]
        assert sorts == sorted(sorts), asked
        assert max(page["reads"] for page in pages) <= budget_of(limit)
        assert all(len(page["items"]) <= limit for page in pages)


def place(row: dict[str, Any], order: str, asked: dict[str, Any]) -> tuple[Any, ...]:
    """What rows are sorted by: newest month, day, second first; least sure first."""
    if order == "least_sure":
        return (-int(row["month_shard"][:7].replace("-", "")), row["confidence"])
    at = row["reviewed_at"] if asked.get("reviewed") == "true" else row["classified_at"]
    return (-datetime.fromisoformat(at).timestamp(),)


def test_page_of_fifty_reads_at_most_sixty_items_and_is_almost_full(world: World) -> None:
    world.put(*(make_row(f"uploads/{n}.jpg", at=NOW - timedelta(minutes=n)) for n in range(300)))
    for page in world.pages(50)[:-1]:
        assert page["reads"] <= 60
        assert len(page["items"]) >= 45


def test_filter_that_finds_little_leads_on_with_pages_that_may_be_empty(world: World) -> None:
    rows = [make_row(f"uploads/{n}.jpg", at=NOW - timedelta(minutes=n)) for n in range(120)]
    rows[-1]["model_version"] = "old"
    world.put(*rows)
    pages = world.pages(10, model_version="old")
    assert [item["key"] for page in pages for item in page["items"]] == ["uploads/119.jpg"]
    assert pages[0]["items"] == []
    assert max(page["reads"] for page in pages) <= budget_of(10)


def test_list_goes_on_where_it_was_though_its_last_row_was_reviewed_meanwhile(world: World) -> None:
    world.put(*(make_row(f"uploads/{n}.jpg", confidence=n / 100) for n in range(30)))
    first = world.get("/predictions", order="least_sure", reviewed="false", limit=10).body
    last = first["items"][-1]["key"]
    world.review("RIGHT", key=last)
    keys = [item["key"] for item in first["items"]]
    while first["next"]:
        first = world.get(
            "/predictions", order="least_sure", reviewed="false", limit=10, cursor=first["next"]
        ).body
        keys += [item["key"] for item in first["items"]]
    assert keys == [f"uploads/{n}.jpg" for n in range(30)]


def test_empty_months_do_not_end_a_list(world: World) -> None:
    old = make_row("uploads/old.jpg", at=datetime(2026, 9, 5, tzinfo=NOW.tzinfo))
    world.put(old)
    assert world.keys() == ["uploads/old.jpg"]
    world.clock[0] = NOW.replace(year=2028)
    assert world.keys() == ["uploads/old.jpg"]


def test_deleted_row_is_in_no_list_and_says_so_itself(world: World) -> None:
    world.put(make_row(), make_deleted())
    assert world.keys() == []
    answer = world.get(f"/predictions/{id_of('uploads/rex.jpg')}")
    assert answer.body["status"] == "DELETED"
    assert set(answer.body["links"]) == {"self"}


def test_unchanged_list_is_not_sent_again(world: World) -> None:
    world.put(make_row())
    first = world.get("/predictions")
    again = world.ask(
        "GET", "/predictions", headers={"if-none-match": f'"x", {first.headers["etag"]}'}
    )
    assert (again.status, again.body) == (304, "")
    assert again.headers["etag"] == first.headers["etag"]
    # WHEN something changes, or the addresses of the thumbnails would soon end
    world.review("RIGHT")
    changed = world.get("/predictions")
    world.clock[0] = NOW + timedelta(minutes=31)
    later = world.get("/predictions")
    assert len({each.headers["etag"] for each in (first, changed, later)}) == 3


def test_compressed_list_has_a_tag_of_its_own_that_counts_too(world: World) -> None:
    world.put(*(make_row(f"uploads/{n}.jpg") for n in range(5)))
    plain = world.get("/predictions")
    packed = world.ask("GET", "/predictions", headers={"accept-encoding": "gzip, br"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.body == plain.body
    assert packed.headers["etag"] != plain.headers["etag"]
    tag = packed.headers["etag"]
    assert world.ask("GET", "/predictions", headers={"if-none-match": tag}).status == 304


# ------------------------------------------------------------------------------------- the merge


class Shelves:
    """Partitions in memory, for the merge alone."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.reads = 0

    def __call__(
        self, asked: Sequence[tuple[Partition, Start | None, int]], forward: bool
    ) -> list[tuple[list[Row], bool]]:
        return [self._one(*each, forward) for each in asked]

    def _one(
        self, part: Partition, start: Start | None, limit: int, forward: bool
    ) -> tuple[list[Row], bool]:
        found = [
            row
            for row in self.rows
            if row.get(part.hash_name) == part.hash_value
            and (part.low is None or row[part.sort_name] >= part.low)
            and (part.high is None or row[part.sort_name] <= part.high)
        ]

        def place(row: Row) -> tuple[Any, ...]:
            return (
                row[part.sort_name],
                hash(row["image_key"]),
            )  # DynamoDB's order of ties is its own

        found.sort(key=place, reverse=not forward)
        if start is not None:
            at = (start.sort, hash(start.key))
            found = [row for row in found if (place(row) > at if forward else place(row) < at)]
        self.reads += len(found[:limit])
        return found[:limit], len(found) <= limit and len(found) < limit


@given(
    shelf=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(9, 11), st.booleans()),
        min_size=20,
        max_size=120,
    ),
    limit=st.integers(1, 20),
    order=st.sampled_from(["newest", "least_sure"]),
    share=st.sampled_from([1, 2, 5]),
)
@settings(max_examples=150, deadline=None)
def test_merge_loses_nothing_and_doubles_nothing_whatever_ties(
    shelf: list[tuple[int, int, int, bool]], limit: int, order: str, share: int
) -> None:
    rows: list[Row] = [
        {
            "image_key": f"k{number}",
            "status": "CLASSIFIED",
            "month_shard": f"2026-{month:02}#{shard}",
            "classified_at": f"2026-{month:02}-01T00:00:00.00000{tie}Z",
            "confidence_key": f"{'done' if done else 'open'}#2026-{month:02}#{shard}",
            "confidence": Decimal(tie) / 10,
        }
        for number, (shard, tie, month, done) in enumerate(shelf)
    ]
    query = Shelves(rows)
    plan = plan_for(Filters(order=order), NOW, "2026-09")
    found: list[Row] = []
    position: Position | None = None
    for _page in range(1000):
        before = query.reads
        page = read_page(
            plan, position, limit, lambda row: int(row["image_key"][1:]) % share == 0, query
        )
        assert page.reads == query.reads - before <= budget_of(limit)
        found += page.rows
        position = page.next
        if position is None:
            break
        # A position survives being sealed.
        position = unseal(seal(position, "f", b"secret"), "f", b"secret")
    assert position is None
    keys = [row["image_key"] for row in found]
    assert sorted(keys) == sorted(
        row["image_key"] for row in rows if int(row["image_key"][1:]) % share == 0
    )
    if order == "newest":
        assert [row["classified_at"] for row in found] == sorted(
            (row["classified_at"] for row in found), reverse=True
        )


@pytest.mark.parametrize("limit", [1, 2, 20])
def test_smallest_page_gets_on_although_every_partition_is_full(limit: int) -> None:
    shards = [*map(str, range(4)), "sample", "unknown"]
    keys = [f"{state}#2026-11#{shard}" for state in ("open", "done") for shard in shards]
    rows: list[Row] = [
        {
            "image_key": f"{key} {number}",
            "status": "CLASSIFIED",
            "classified_at": "2026-11-01T00:00:00.000000Z",
            "confidence_key": key,
            "confidence": Decimal(number) / 10,
        }
        for key in keys
        for number in range(5)
    ]
    query = Shelves(rows)
    plan = plan_for(Filters(order="least_sure"), NOW, "2026-11")
    found: list[Row] = []
    position: Position | None = None
    for _page in range(len(rows) + 1):
        page = read_page(plan, position, limit, lambda _row: True, query)
        found += page.rows
        position = page.next
        if position is None:
            break
    assert position is None
    assert sorted(row["image_key"] for row in found) == sorted(row["image_key"] for row in rows)


# ----------------------------------------------------------------------------------- what is asked


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "1e1"}, "limit"),
        ({"status": "DELETED"}, "status"),
        ({"breed": ""}, "breed"),
        ({"breed": "x" * 65}, "breed"),
        ({"reviewed": "yes"}, "reviewed"),
        ({"confidence_from": "1.1"}, "confidence_from"),
        ({"confidence_to": "nan"}, "confidence_to"),
        ({"day_from": "2026-02-30"}, "day_from"),
        ({"day_to": "20261120"}, "day_to"),
        ({"order": "oldest"}, "order"),
        ({"bread": "Pug"}, "bread"),
        ({"cursor": "bm9uc2Vuc2U"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(
    world: World, query: dict[str, str], field: str
) -> None:
    answer = world.get("/predictions", **query)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert [each["field"] for each in answer.body["errors"]] == [field]
    assert field in answer.body["detail"]


def test_parameter_that_comes_twice_is_refused(world: World) -> None:
    assert send("GET", "/predictions", "limit=1&limit=2").status == 400


@given(st.binary(max_size=60), st.integers(0, 200))
def test_changed_cursor_is_refused(noise: bytes, at: int) -> None:
    cursor = seal(Position("2026-11", 2, "0.5", "uploads/ä.jpg"), "filters", b"secret")
    assert unseal(cursor, "filters", b"secret").key == "uploads/ä.jpg"
    at %= len(cursor)
    other = "A" if cursor[at] != "A" else "B"
    for forged in (cursor[:at] + other + cursor[at + 1 :], noise.hex(), cursor[:at]):
        try:
            position = unseal(forged, "filters", b"secret")
        except ValueError:
            continue
        # base64 has bits at its end that mean nothing
        assert position == unseal(cursor, "filters", b"secret")


@pytest.mark.parametrize(("filters", "secret"), [("other", b"secret"), ("filters", b"other")])
def test_cursor_of_another_list_or_stack_is_refused(filters: str, secret: bytes) -> None:
    cursor = seal(Position("2026-11"), "filters", b"secret")
    with pytest.raises(ValueError, match="does not belong"):
        unseal(cursor, filters, secret)


def test_cursor_holds_for_its_filters_only(world: World) -> None:
    world.put(*(make_row(f"uploads/{n}.jpg", at=NOW - timedelta(minutes=n)) for n in range(30)))
    cursor = world.get("/predictions", limit=10).body["next"]
    assert world.get("/predictions", limit=20, cursor=cursor).status == 200
    assert world.get("/predictions", limit=10, cursor=cursor, status="NO_DOG").status == 400
