"""Which word of a history stands, and who said otherwise."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from classify.events import Upload
from classify.images import Photo
from classify.rows import SAMPLED_ONE_IN as FUNCTIONS
from classify.rows import answered_row
from classify.wire import Answer, Prediction

from tests.unit.training.data.words import Json, entry, row
from training.data.reviews import SAMPLED_ONE_IN, Opinion, opinions, was_sampled


def _one(reviews: list[Json], rows: list[Json] | None = None) -> Opinion:
    (opinion,) = opinions(reviews, [row()] if rows is None else rows)
    return opinion


def test_right_is_the_breed_that_the_model_said() -> None:
    opinion = _one([entry()])
    assert (opinion.word.verdict, opinion.word.breed) == ("RIGHT", "Beagle")
    assert (opinion.version_id, opinion.etag, opinion.queue) == ("v1", "e", "chosen")


@pytest.mark.parametrize(("status", "verdict"), [("NO_DOG", "NO_DOG"), ("UNKNOWN_BREED", "RIGHT")])
def test_right_about_a_photo_without_a_breed_names_none(status: str, verdict: str) -> None:
    word = _one([entry(answer={"status": status})]).word
    assert (word.verdict, word.breed) == (verdict, None)


def test_latest_counts_and_the_other_person_is_a_conflict() -> None:
    opinion = _one([entry(by="ann", at=1), entry("uploads/a.jpg", "WRONG_BREED", "Pug", "bob", 2)])
    assert opinion.word.breed == "Pug"
    assert [(word.by_id, word.breed) for word in opinion.others] == [("ann", "Beagle")]
    assert opinion.first.endswith("#ann")


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(entry(verdict="WRONG_BREED", breed="Pug", by="ann", at=2), id="oneself"),
        pytest.param(entry(verdict="NEW_BREED", breed="beagle", by="bob", at=2), id="same breed"),
        pytest.param(entry(verdict="UNSURE", by="bob", at=2), id="unsure"),
    ],
)
def test_no_conflict_between_people(second: Json) -> None:
    assert _one([entry(), second]).others == ()


def test_word_that_is_taken_back_does_not_count() -> None:
    wrong = entry(verdict="WRONG_BREED", breed="Pug", by="bob", at=2)
    undo = entry(verdict="UNDONE", by="bob", at=3, undoes=wrong["review_id"])
    opinion = _one([undo, wrong, entry()])
    assert (opinion.word.breed, opinion.others) == ("Beagle", ())
    assert opinions([wrong, undo], [row()]) == []


def test_versions_of_a_key_are_photos_of_their_own() -> None:
    first, second = opinions([entry(), entry(version="0B", at=2)], [row(version="0B")])
    assert [first.version, second.version] == ["0A", "0B"]
    assert (first.etag, second.etag) == (None, "e")


def test_deleted_photo_is_told() -> None:
    assert _one([entry()], [row(version="0B", status="DELETED")]).deleted


def test_sample_is_told_from_the_row_or_by_the_functions_own_chance() -> None:
    assert _one([entry()], [row(sample=True)]).queue == "sample"
    assert SAMPLED_ONE_IN == FUNCTIONS
    drawn = 0
    for number in range(200):
        upload = Upload("photos", f"uploads/{number}.jpg", "0A", size_bytes=9)
        prediction = Prediction("Pug", 0.9, (("Pug", 0.9),), dog_probability=None)
        answered = answered_row(
            upload, Photo(b"", 9, 9), prediction, Answer((prediction,), "m", "v"),
            datetime(2026, 11, 26, tzinfo=UTC),
        )  # fmt: skip
        assert was_sampled(upload.key, "0A") == answered.get("sample", False)
        drawn += answered.get("sample", False)
    assert drawn
