"""Which model served when, and how right it was."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rigs.rows import make_row
from tests.unit.api.world import World


def test_deployments_come_newest_first_with_what_people_said_of_their_models(world: World) -> None:
    world.deployed("2026-03-01T10:00:00.000000Z", "old")
    metrics = {"test:accuracy": Decimal("0.84")}
    world.deployed("2026-03-03T10:00:00.000000Z", "new", by="ann", why="wins", metrics=metrics)
    world.put(
        make_row("uploads/a.jpg", model_version="old", sample=True),
        make_row("uploads/b.jpg", model_version="old", sample=True),
        make_row("uploads/c.jpg", model_version="new"),
    )
    for key, verdict in (("a", "RIGHT"), ("b", "NO_DOG"), ("c", "RIGHT")):
        world.review(verdict, key=f"uploads/{key}.jpg")

    first, second = world.get("/deployments").body["items"]

    assert (first["model_version"], first["by"], first["why"]) == ("new", "ann", "wins")
    assert first["metrics"] == {"test:accuracy": 0.84}
    assert first["accuracy"] is None  # its only review is not of the random sample
    assert second["model_version"] == "old"
    assert (second["accuracy"]["right"], second["accuracy"]["sample"]) == (1, 2)


def test_review_that_is_taken_back_counts_no_more(world: World) -> None:
    world.deployed("2026-03-01T10:00:00.000000Z", "old")
    world.put(make_row("uploads/a.jpg", model_version="old", sample=True))
    world.review("RIGHT", key="uploads/a.jpg")
    world.review("UNDONE", key="uploads/a.jpg")
    (only,) = world.get("/deployments").body["items"]
    assert only["accuracy"] is None


@pytest.mark.parametrize(
    ("day", "versions"),
    [
        ("2026-02-28", []),
        ("2026-03-01", ["first"]),
        ("2026-03-02", ["first"]),
        ("2026-03-03", ["third", "second", "first"]),
        ("2026-03-04", ["third"]),
    ],
)
def test_day_has_the_models_that_served_at_some_time_of_it(
    world: World, day: str, versions: list[str]
) -> None:
    world.deployed("2026-03-01T10:00:00.000000Z", "first")
    world.deployed("2026-03-03T09:00:00.000000Z", "second")
    world.deployed("2026-03-03T23:59:59.999999Z", "third")
    found = world.get("/deployments", day=day).body["items"]
    assert [each["model_version"] for each in found] == versions


def test_day_that_is_none_is_said(world: World) -> None:
    answer = world.get("/deployments", day="3 March")
    assert answer.status == 400
    assert "must be a day such as" in str(answer.body)


def test_breeds_are_those_of_the_model_that_serves_before_it_has_answered(world: World) -> None:
    world.deployed("2026-03-01T10:00:00.000000Z", "old", labels=["Pug", "Dhole"])
    world.deployed("2026-03-02T10:00:00.000000Z", "new", labels=["Pug", "Beagle"])
    found = {each["name"]: each["known"] for each in world.get("/breeds").body["breeds"]}
    assert found == {"Beagle": True, "Pug": True}


def test_breed_that_the_model_has_not_answered_yet_is_no_new_one(world: World) -> None:
    world.deployed("2026-03-02T10:00:00.000000Z", "new", labels=["Pug", "Azawakh"])
    world.put(make_row("uploads/a.jpg"))
    assert world.review("WRONG_BREED", "Azawakh", key="uploads/a.jpg").status == 200
