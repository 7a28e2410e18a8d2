"""Rows against the training job's own figure."""

from __future__ import annotations

import pytest

from training.figures.metrics import Proportion
from training.jobs.comparison import Offline, compare, offline_figure, to_json, tolerance, words
from training.jobs.errors import UsageError
from training.jobs.evaluate import Result, ranked

LABELS = ("Affenpinscher", "Beagle", "Pug")


def _result(hits: int, n: int = 840, **changes: object) -> Result:
    given = {
        "top1": Proportion(hits, n),
        "top5": Proportion(815 * n // 840, n),
        "named": Proportion(hits, n),
        "statuses": {"CLASSIFIED": n},
        "versions": {"aaaa": n},
        "seconds": 60.0,
    }
    return Result(**(given | changes))  # type: ignore[arg-type]


OFFLINE = Offline("aaaa", top1=0.85, top5=0.97, n=840)


def test_same_accuracy_is_within() -> None:
    verdict = compare(_result(714), OFFLINE)

    assert verdict.problem == ""
    assert any(
        "85.00% (n = 840, 95 % interval 82.43% to 87.26%)" in w
        for w in words(_result(714), verdict)
    )


@pytest.mark.parametrize(
    ("hits", "within"), [(714 - 12, True), (714 - 13, False), (714 + 13, False)]
)
def test_tolerance_of_840_photos_is_one_and_a_half_points(hits: int, within: bool) -> None:
    assert tolerance(840) == pytest.approx(0.0146, abs=0.0001)
    assert (compare(_result(hits), OFFLINE).problem == "") is within


def test_rows_of_another_model_are_a_problem() -> None:
    verdict = compare(_result(714, versions={"aaaa": 800, "bbbb": 40}), OFFLINE)

    assert verdict.problem == "rows come from model bbbb, not aaaa"


def test_another_number_of_photos_is_a_problem_unless_they_were_rejected() -> None:
    assert "another data set" in compare(_result(600, n=700), OFFLINE).problem
    unreadable = _result(714, n=842, statuses={"CLASSIFIED": 840, "REJECTED": 2})
    assert compare(unreadable, OFFLINE).problem == ""


def test_unknown_breeds_count_as_in_the_job_and_are_told_apart() -> None:
    statuses = {"CLASSIFIED": 815, "UNKNOWN_BREED": 25}
    result = _result(714, statuses=statuses, named=Proportion(700, 840))
    verdict = compare(result, OFFLINE)

    assert verdict.problem == ""
    lines = words(result, verdict)
    assert "25 UNKNOWN_BREED (NO_DOG and REJECTED count as wrong, UNKNOWN_BREED by its" in lines[0]
    (line,) = [line for line in lines if line.endswith("of the rows have the right breed")]
    assert line.startswith("83.33% (n = 840")
    assert to_json(result, verdict)["named"]["value"] == 0.8333


@pytest.mark.parametrize("status", ["NO_DOG", "REJECTED"])
def test_no_answer_is_a_wrong_one(status: str) -> None:
    assert ranked({"status": status, "top": [{"label": "Pug"}]}, LABELS) == ()


def test_labels_become_indices_and_unknown_ones_are_never_right() -> None:
    top = [{"label": "Pug"}, {"label": "Cat"}, {"label": "Beagle"}]

    for status in ("CLASSIFIED", "UNKNOWN_BREED"):
        assert ranked({"status": status, "top": top}, LABELS) == (2, 3, 1)


def test_dog_of_no_known_breed_counts_by_its_nearest_ones() -> None:
    row = {"status": "UNKNOWN_BREED", "top": [{"label": "Pug"}, {"label": "Beagle"}]}

    assert ranked(row, LABELS) == (2, 1)


def test_package_without_a_figure_says_where_it_should_come_from() -> None:
    with pytest.raises(UsageError, match="make train"):
        offline_figure({"name": "starter", "version": "x", "origin": {}})
    top = {"value": 0.9, "n": 10, "ci95": [0.5, 1.0]}
    manifest = {"version": "x", "origin": {"metrics": {"test": {"top1": top, "top5": top}}}}
    assert offline_figure(manifest) == Offline("x", 0.9, 0.9, 10)
