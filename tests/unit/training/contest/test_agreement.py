"""What a candidate's answers are beside those in the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serving.model import Prediction
from training.contest.agreement import NO_DOG, UNKNOWN, Agreement, Served
from training.contest.shadow import drawn, main
from training.contest.shadow_report import page


def row(key: str, breed: str | None = "Pug", confidence: float = 0.8, **more: Any) -> Served:
    status = "CLASSIFIED" if breed else "NO_DOG"
    found = {
        "image_key": f"uploads/{key}.jpg", "status": status, "confidence": confidence,
        "classified_at": "2026-11-26T10:00:00.000000Z", "model_version": "old", "version_id": "v",
    }  # fmt: skip
    return Served.of_row(found | ({"breed": breed} if breed else {}) | more)


def said(label: str | None, confidence: float = 0.9, *, unknown: bool = False) -> Prediction:
    return Prediction(label, confidence, 0.9, ((label or "Pug", confidence),), unknown=unknown)


def test_agreement_counts_what_stays_and_lists_what_changes() -> None:
    served = [row("a"), row("b"), row("c", "Beagle"), row("d", None), row("e")]
    new = [said("Pug"), said("Boxer", 0.6), said("Beagle", unknown=True), said(None)]

    agreement = Agreement.of(served, [*new, "is gone"], "new", 2.0)

    assert agreement.same is not None
    assert (agreement.same.hits, agreement.same.n) == (2, 4)
    assert agreement.left_out == {"is gone": 1}
    changes = [(pair.served.answer, pair.answer) for pair in agreement.changes]
    assert changes == [("Beagle", UNKNOWN), ("Pug", "Boxer")]
    assert {name: (one.hits, one.n) for name, one in agreement.by_answer()} == {
        "Beagle": (0, 1), "Pug": (1, 2), NO_DOG: (1, 1),
    }  # fmt: skip
    words = "\n".join(agreement.words())
    for line in (
        "left out, photos: 1: is gone",
        "served by old; the candidate is new",
        "same answer: 2 of 4 photos, 50.0%",
        "mean confidence: 0.800 served, 0.825 now",
        "Pug: 1 of 2 stay",
        "uploads/b.jpg: Pug 80% -> Boxer 60%",
    ):
        assert line in words
    assert agreement.to_json()["changes"][1]["candidate"]["answer"] == "Boxer"


def test_reviews_tell_which_of_the_two_is_right() -> None:
    served = [
        row("a", review={"verdict": "RIGHT"}),
        row("b", review={"verdict": "WRONG_BREED", "breed": "Boxer"}),
        row("c", review={"verdict": "NO_DOG"}),
        row("d", review={"verdict": "UNSURE"}),
    ]

    told = Agreement.of(served, [said("Boxer"), said("Boxer"), said(None), said("Pug")], "n", 1)

    found = told.reviewed()
    assert found is not None
    assert [(one.hits, one.n) for one in found] == [(1, 3), (2, 3)]


def test_right_of_an_answer_before_is_what_that_answer_was() -> None:
    # Somebody called a Boxer right, and another model has made it a Pug since.
    review = {"verdict": "RIGHT", "answer": {"status": "CLASSIFIED", "breed": "Boxer"}}
    told = Agreement.of([row("a", review=review)], [said("Boxer")], "n", 1)
    assert told.reviewed() is not None
    assert [(one.hits, one.n) for one in told.reviewed() or ()] == [(0, 1), (1, 1)]


def test_nothing_in_common_is_said() -> None:
    agreement = Agreement.of([row("a")], ["is gone"], "new", 1.0)
    assert agreement.words() == ["left out, photos: 1: is gone", "no photo was answered by both"]
    assert agreement.to_json()["same"] is None
    assert "No photo was answered by both" in page(agreement, Path("/none"))


def test_report_escapes_names_and_shows_changes(tmp_path: Path) -> None:
    served = [row("<script>", review={"verdict": "WRONG_BREED", "breed": "Boxer"})]
    html = page(Agreement.of(served, [said("Boxer")], "new", 1.0), tmp_path)
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    assert "Pug to Boxer" in html
    assert "people say: Boxer" in html


def test_same_photos_are_drawn_whatever_the_order_of_rows() -> None:
    served = [row(str(number)) for number in range(50)]
    found = drawn(served, 10)
    assert found == drawn(served[::-1], 10)
    assert len({one.key for one in found}) == 10
    assert len(drawn(served, 100)) == 50


@pytest.mark.parametrize("wrong", [["--photos", "0"], ["--photos", "2001"], ["--photos", "few"],
                                   ["--model", "m", "--version", "1"]])  # fmt: skip
def test_wrong_use_is_told(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(wrong)
    assert ended.value.code == 2


def test_stack_that_is_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training.contest.shadow.boto3.client", lambda _name: None)
    monkeypatch.setattr("training.jobs.stack.described", lambda *_: None)
    assert main(["--stack", "nowhere"]) == 2
    assert "There is no stack nowhere here" in capsys.readouterr().err
