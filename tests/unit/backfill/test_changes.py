"""What a new model changed: counted whole, shown bounded, people's words beside it."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backfill import changes, changes_page
from backfill.changes import Changes

EVIL = "<script>alert(1)</script>"


def row(key: str, before: str, after: str, confidence: float = 0.8, **more: Any) -> dict[str, Any]:
    return {
        "image_key": key,
        "status": "CLASSIFIED",
        "breed": after,
        "confidence": Decimal(str(confidence)),
        "model_version": "m2",
        "reclassified_at": "2026-11-26T00:00:00.000000Z",
        "previous": {"model_version": "m1", "breed": before, "confidence": Decimal("0.5")},
        **more,
    }


def review(verdict: str, breed: str = "", of: str = "") -> dict[str, Any]:
    """`of`: the breed that the answer named, where another stands by now."""
    answer = {"answer": {"status": "CLASSIFIED", "breed": of}} if of else {}
    return {"verdict": verdict} | ({"breed": breed} if breed else {}) | answer


def test_changed_labels_are_counted_and_each_is_a_line(tmp_path: Path) -> None:
    found = [
        row("a", "Pug", "Beagle"),
        row("b", "Pug", "Pug"),
        row("c", "Pug", "Beagle", thumbnail="thumbnails/c.jpg"),
        {**row("d", "Pug", ""), "breed": None, "status": "NO_DOG"},
    ]
    path = tmp_path / "folder" / "changes.csv"
    told = changes.collect(found, path, most=10)
    assert (told.answered, told.changed) == (4, 3)
    assert told.pairs == {("Pug", "Beagle"): 2, ("Pug", "no dog"): 1}
    with path.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["image_key"] for line in lines] == ["a", "c", "d"]
    assert lines[0] | {} == {
        "image_key": "a", "before": "Pug", "after": "Beagle",
        "confidence_before": "0.5000", "confidence": "0.8000", "review": "",
    }  # fmt: skip


def test_people_s_words_are_held_against_both_answers() -> None:
    told = Changes(10)
    for each in (
        # RIGHT was said of the answer before, or of the one now.
        row("a", "Pug", "Beagle", review=review("RIGHT", of="Pug")),
        row("b", "Pug", "Beagle", review=review("RIGHT")),
        row("c", "Pug", "Beagle", review=review("WRONG_BREED", "Beagle")),
        row("d", "Pug", "Beagle", review=review("NO_DOG")),
        row("e", "Pug", "Pug", review=review("RIGHT")),
        row("f", "Pug", "Beagle", review=review("UNSURE")),
        row("g", "Pug", "Beagle"),
    ):
        told.add(each)
    assert told.reviews == {
        (True, False): 1, (False, True): 2, (False, False): 1, (True, True): 1
    }  # fmt: skip


def unknown(before: str, after: str, verdict: str, breed: str = "") -> dict[str, Any]:
    """A row reviewed at its first answer; "" is an unknown breed."""
    found = row("u", before, after, review=review(verdict, breed))
    for answer, named in ((found["previous"], before), (found, after)):
        answer["status"] = "CLASSIFIED" if named else "UNKNOWN_BREED"
    found["review"]["answer"] = found["previous"]
    return found


@pytest.mark.parametrize(
    ("found", "counted"),
    [
        # That it was none of the breeds of then says nothing about a model that names one.
        (unknown("", "Lundehund", "RIGHT"), {}),
        (unknown("", "", "RIGHT"), {(True, True): 1}),
        (unknown("Pug", "", "RIGHT"), {(True, False): 1}),
        (unknown("", "Lundehund", "NEW_BREED", "Lundehund"), {(True, True): 1}),
        (unknown("", "Pug", "NEW_BREED", "Lundehund"), {(True, False): 1}),
        (unknown("", "", "NEW_BREED", "Lundehund"), {(True, True): 1}),
        (unknown("Pug", "", "NEW_BREED", "Lundehund"), {(False, True): 1}),
        (unknown("Pug", "", "WRONG_BREED", "Beagle"), {(False, False): 1}),
    ],
)
def test_unknown_breeds_count_as_the_page_counts_them(
    found: dict[str, Any], counted: dict[tuple[bool, bool], int]
) -> None:
    told = Changes(10)
    told.add(found)
    assert told.reviews == counted
    assert all(change.right for change in told.shown if change.said == change.after)


def test_as_many_are_kept_as_are_shown_reviewed_ones_first() -> None:
    told = Changes(3)
    for number in range(1000):
        told.add(row(str(number), "Pug", "Beagle", confidence=number / 1000))
    told.add(row("said", "Pug", "Beagle", confidence=0.1, review=review("RIGHT")))
    assert [change.image_key for change in told.shown] == ["said", "999", "998"]
    assert told.changed == 1001


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (300, 200), "red").save(file, "JPEG")
    return file.getvalue()


def test_page_is_whole_in_itself_and_its_text_cannot_break_it() -> None:
    told = Changes(10)
    told.add(row(EVIL, EVIL, "Beagle", thumbnail="t1", review=review("WRONG_BREED", "Beagle")))
    told.add(row("gone", "Pug", "Beagle", thumbnail="t2"))
    html = changes_page.page(told, {"t1": jpeg()}.get)
    assert "2 of 2 labels changed (100.0%)" in html
    assert html.count("data:image/jpeg;base64,") == 1
    assert html.count("<figure") == 2
    assert "<script" not in html
    assert "✓ a person says Beagle" in html
    assert "http" not in html


def test_page_of_nothing_says_so() -> None:
    html = changes_page.page(Changes(10), lambda _key: None)
    assert "No row has been answered again." in html
