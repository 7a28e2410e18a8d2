"""Counts: whole and fresh, and never the same rows again and again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from api import tallies

from rigs.rows import NOW, make_rejected, make_row
from tests.unit.api.world import World


def test_counts_are_whole_at_once(world: World) -> None:
    world.put(
        make_row("uploads/1.jpg"),
        make_row("uploads/2.jpg", None, at=NOW - timedelta(days=40)),
        make_row("uploads/3.jpg", "Boxer", at=NOW),
        make_row("uploads/4.jpg", "Borzoi", at=NOW, unknown=True),
        make_rejected(),
    )
    summary = world.get("/summary").body
    assert summary["counts"] == {
        "CLASSIFIED": 2,
        "UNKNOWN_BREED": 1,
        "NO_DOG": 1,
        "REJECTED": 1,
    }
    assert summary["as_of"] == "2026-11-26T12:00:00.000000Z"
    breeds = {each["name"]: each for each in world.get("/breeds").body["breeds"]}
    assert breeds["Boxer"] == {"name": "Boxer", "count": 1, "known": True}
    # The nearest breed of an unknown one is one that the model knows, and no answer.
    assert breeds["Borzoi"] == {"name": "Borzoi", "count": 0, "known": True}
    assert breeds["Beagle"] == {"name": "Beagle", "count": 0, "known": True}


def test_second_look_reads_only_what_is_new_or_of_the_last_minutes(world: World) -> None:
    world.put(*(make_row(f"uploads/{n}.jpg", at=NOW - timedelta(hours=n + 1)) for n in range(50)))
    world.get("/summary")
    world.put(make_row("uploads/new.jpg", at=NOW - timedelta(seconds=1)))
    for _look in range(3):
        before = world.dynamodb.reads
        assert world.get("/summary").body["counts"]["CLASSIFIED"] == 51
        assert world.dynamodb.reads - before == 1


def test_one_look_reads_a_thousand_rows_at_most_and_says_how_far_it_came(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "LOOK_READS", 40)
    rows = [make_row(f"uploads/{n}.jpg", at=NOW - timedelta(minutes=10 * n)) for n in range(150)]
    world.put(*rows)
    counted: list[int] = []
    told: list[str] = []
    while not counted or counted[-1] < 150:
        before = world.dynamodb.reads
        summary = world.get("/summary").body
        assert world.dynamodb.reads - before <= 40
        counted.append(summary["counts"]["CLASSIFIED"])
        told.append(summary["as_of"])
        # THEN everything before that moment is counted
        assert counted[-1] >= sum(row["classified_at"] < told[-1] for row in rows)
        assert len(counted) < 20
    assert counted == sorted(counted)
    assert told == sorted(told)
    world.get("/summary")
    assert world.get("/summary").body["as_of"] == "2026-11-26T12:00:00.000000Z"


def test_two_looks_at_once_count_nothing_twice(world: World) -> None:
    world.put(*(make_row(f"uploads/{n}.jpg") for n in range(10)))
    ports = world.services.counts

    def interrupted(item: dict[str, object], revision: int) -> bool:
        tallies.look(ports, "2026-09")
        return ports.save(item, revision)

    tallies.look(replace(ports, save=interrupted), "2026-09")
    assert world.get("/summary").body["counts"]["CLASSIFIED"] == 10


def test_month_that_is_over_is_counted_once_and_its_late_rows_too(world: World) -> None:
    tz = NOW.tzinfo
    world.clock[0] = datetime(2026, 12, 1, 0, 2, tzinfo=tz)
    world.put(make_row("uploads/1.jpg", at=datetime(2026, 11, 30, 23, 59, 59, tzinfo=tz)))
    world.put(make_row("uploads/2.jpg", at=datetime(2026, 12, 1, 0, 1, tzinfo=tz)))
    assert world.get("/summary").body["counts"]["CLASSIFIED"] == 2
    world.put(make_row("uploads/3.jpg", at=datetime(2026, 11, 30, 23, 59, 58, tzinfo=tz)))
    assert world.get("/summary").body["counts"]["CLASSIFIED"] == 3
    for hours in (1, 2):
        world.clock[0] = datetime(2026, 12, 1, hours, tzinfo=tz)
        assert world.get("/summary").body["counts"]["CLASSIFIED"] == 3


def test_breed_that_people_named_is_listed_as_long_as_it_stands(world: World) -> None:
    world.put(make_row())
    world.review("NEW_BREED", "Elo")
    assert {"name": "Elo", "count": 1, "known": False} in world.get("/breeds").body["breeds"]
    world.review("UNDONE")
    assert "Elo" not in [each["name"] for each in world.get("/breeds").body["breeds"]]


def test_breeds_are_in_alphabetical_order(world: World) -> None:
    world.put(make_row(), make_row("uploads/2.jpg", "afghan"))
    names = [each["name"] for each in world.get("/breeds").body["breeds"]]
    assert names == ["afghan", "Beagle", "Boxer", "Pug"]


@pytest.mark.parametrize(
    ("sample", "right", "low", "high"),
    # Newcombe, Two-sided confidence intervals for the single proportion, 1998, table I, method 3
    [
        (263, 81, 0.2553, 0.3662),
        (148, 15, 0.0624, 0.1605),
        (20, 0, 0, 0.1611),
        (29, 1, 0.0061, 0.1718),
    ],
)
def test_interval_is_wilson_s(sample: int, right: int, low: float, high: float) -> None:
    found = tallies.accuracy(sample, right)
    assert found is not None
    assert (round(found["from"], 4), round(found["to"], 4)) == (low, high)


def test_queue_is_least_sure_first_with_every_fifth_from_the_sample(world: World) -> None:
    world.put(*(make_row(f"uploads/{n:02}.jpg", confidence=n / 100) for n in range(40)))
    sample = [make_row(f"uploads/s{n}.jpg", confidence=0.99, sample=True) for n in range(6)]
    world.put(*sample)
    items = world.get("/queue", limit=10).body["items"]
    assert [item["key"] for item in items if "sample" not in item] == [
        f"uploads/{n:02}.jpg" for n in range(8)
    ]
    assert [index for index, item in enumerate(items) if "sample" in item] == [4, 9]
    drawn = [item["key"] for item in items if "sample" in item]
    by_order = sorted(sample, key=lambda row: row["sample_order"])
    assert drawn == [row["image_key"] for row in by_order[:2]]


@pytest.mark.parametrize("limit", [1, 3, 20, 100])
def test_queue_is_filled_from_whatever_there_is(world: World, limit: int) -> None:
    world.put(make_row("uploads/1.jpg"), make_row("uploads/old.jpg", at=NOW - timedelta(days=50)))
    world.put(*(make_row(f"uploads/s{n}.jpg", sample=True) for n in range(5)))
    before = world.dynamodb.reads
    items = world.get("/queue", limit=limit).body["items"]
    assert len({item["key"] for item in items}) == len(items) == min(limit, 7)
    assert world.dynamodb.reads - before <= 2 * max(20, limit * 6 // 5)


def test_queue_has_unknown_breeds_and_the_least_sure_in_turn(world: World) -> None:
    # GIVEN unknown breeds of which the nearest one is quite likely
    world.put(*(make_row(f"uploads/{n}.jpg", confidence=n / 100) for n in range(9)))
    strange = [make_row(f"uploads/u{n}.jpg", "Pug", 0.9 + n / 100, unknown=True) for n in range(6)]
    world.put(*strange, make_row("uploads/s.jpg", sample=True, unknown=True))
    items = world.get("/queue", limit=9).body["items"]
    names = [item["key"].removeprefix("uploads/").removesuffix(".jpg") for item in items]
    assert names == ["u0", "0", "u1", "1", "s", "u2", "2", "u3", "3"]
    # WHEN one kind runs out
    for row in strange[:5]:
        world.review("RIGHT", key=row["image_key"])
    items = world.get("/queue", limit=9).body["items"]
    names = [item["key"].removeprefix("uploads/").removesuffix(".jpg") for item in items]
    # THEN the other one fills its places
    assert names == ["u5", "0", "1", "2", "s", "3", "4", "5", "6"]


@pytest.mark.parametrize("limit", [1, 3, 20, 100])
def test_queue_is_filled_with_unknown_breeds_where_there_is_nothing_else(
    world: World, limit: int
) -> None:
    world.put(*(make_row(f"uploads/{n}.jpg", unknown=True) for n in range(30)))
    assert len(world.get("/queue", limit=limit).body["items"]) == min(limit, 30)


def test_reviewed_photo_leaves_the_queue(world: World) -> None:
    world.put(make_row(), make_row("uploads/next.jpg"))
    world.review("UNSURE")
    assert [item["key"] for item in world.get("/queue").body["items"]] == ["uploads/next.jpg"]
