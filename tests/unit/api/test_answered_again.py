"""What people said, once another model has answered the photo again."""

from __future__ import annotations

from typing import Any

import pytest

from rigs.rows import answer_again, make_row
from tests.unit.api.world import BOB, World

REX = "uploads/rex.jpg"


def test_word_about_an_answer_that_nobody_has_seen_is_refused(world: World) -> None:
    world.put(make_row())
    shown = world.get("/predictions").body["items"][0]
    answer_again(world.dynamodb.client, REX, "Boxer")
    refused = world.review("RIGHT", version=shown["version"])
    assert (refused.status, refused.body["current"]["breed"]) == (412, "Boxer")
    assert "answered again" in refused.body["detail"]
    assert world.history() == []
    # with what is there now it is taken
    assert world.review("RIGHT", version=refused.body["current"]["version"]).status == 200
    assert world.history()[0]["answer"]["model_version"] == "sha256:def"


def test_answer_that_comes_in_the_very_moment_is_not_reviewed(world: World) -> None:
    world.put(make_row())
    world.dynamodb.before_write = [lambda: answer_again(world.dynamodb.client, REX, "Boxer")]
    assert world.review("RIGHT").status == 412
    assert world.history() == []


@pytest.mark.parametrize(
    ("said", "answer", "shown"),
    [
        (("RIGHT", None), "Pug", ("RIGHT", None)),
        (("RIGHT", None), "Boxer", ("WRONG_BREED", "Pug")),
        (("RIGHT", None), None, ("WRONG_BREED", "Pug")),
        (("WRONG_BREED", "Boxer"), "Boxer", ("RIGHT", None)),
        (("WRONG_BREED", "Boxer"), "Beagle", ("WRONG_BREED", "Boxer")),
        (("NEW_BREED", "Elo"), "Elo", ("RIGHT", None)),
        (("NEW_BREED", "Elo"), "Boxer", ("NEW_BREED", "Elo")),
        (("NO_DOG", None), "Boxer", ("NO_DOG", None)),
        (("NO_DOG", None), None, ("NO_DOG", None)),
        (("UNSURE", None), "Boxer", ("UNSURE", None)),
    ],
)
def test_what_was_said_is_shown_as_what_it_means_beside_the_new_answer(
    world: World, said: tuple[str, str | None], answer: str | None, shown: tuple[str, str | None]
) -> None:
    world.put(make_row())
    world.review(*said)
    answer_again(world.dynamodb.client, REX, answer)
    (row,) = world.get("/predictions").body["items"]
    assert (row["review"]["verdict"], row["review"].get("breed")) == shown
    # The history has it as it was said.
    assert (world.history()[0]["verdict"], world.history()[0].get("breed")) == said


@pytest.mark.parametrize(
    ("first", "answer", "shown"),
    [
        ({"breed": None}, "Boxer", "NO_DOG"),
        ({"breed": None}, None, "NO_DOG"),
        # None of the breeds of then: whether it is one of now, nobody has said.
        ({"unknown": True}, "Boxer", "UNSURE"),
        ({"unknown": True}, "unknown", "RIGHT"),
    ],
)
def test_right_of_another_kind_of_answer(
    world: World, first: dict[str, Any], answer: str | None, shown: str
) -> None:
    world.put(make_row(**first))
    world.review("RIGHT")
    answer_again(world.dynamodb.client, REX, answer)
    (row,) = world.get("/predictions").body["items"]
    assert row["review"]["verdict"] == shown


def test_same_word_on_another_answer_is_another_word(world: World) -> None:
    world.put(make_row())
    world.review("RIGHT")
    answer_again(world.dynamodb.client, REX, "Boxer")
    assert world.review("RIGHT", version="0A.2").status == 200
    assert len(world.history()) == 2
    assert world.row()["review"].keys().isdisjoint({"answer"})
    # and what is shown as said already is not said twice
    assert world.review("WRONG_BREED", "Beagle", version="0A.2").status == 200
    answer_again(world.dynamodb.client, REX, "Beagle", model="sha256:ghi")
    world.review("RIGHT", version="0A.3")
    assert len(world.history()) == 3


def test_counts_stay_with_the_model_that_was_judged(world: World) -> None:
    world.put(make_row(sample=True))
    world.review("RIGHT")
    answer_again(world.dynamodb.client, REX, "Boxer")
    judged = {"sample@sha256:abc": 1, "right@sha256:abc": 1}
    assert world.tallies_by_model() == judged
    # A word about the new answer moves them; taking it back moves them back.
    assert world.review("WRONG_BREED", "Beagle", BOB, version="0A.2").status == 200
    assert world.tallies_by_model() == {"sample@sha256:def": 1}
    world.review("UNDONE", caller=BOB, version="0A.2")
    assert world.tallies_by_model() == judged
    assert world.row()["review"]["answer"]["breed"] == "Pug"
    world.review("UNDONE", version="0A.2")
    assert world.tallies_by_model() == {}
    assert world.tallies() == {}
