"""Figures with their intervals, and the metric lines that SageMaker reads."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.figures.metrics import Answers, Proportion
from training.metric_lines import METRIC_DEFINITIONS, OBJECTIVE, epoch_line, final_lines

LABELS = ("Beagle", "Pug", "Dhole")


# Expected values by scipy.stats.binomtest(hits, n).proportion_ci(method="wilson").
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (0, 20, 0.0, 0.1611),
        (20, 20, 0.8389, 1.0),
        (722, 840, 0.8344, 0.8814),
    ],
)
def test_interval_is_wilsons(hits: int, n: int, low: float, high: float) -> None:
    assert Proportion(hits, n).interval == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_holds_the_share_and_stays_within_0_and_1(case: tuple[int, int]) -> None:
    share = Proportion(*case)
    low, high = share.interval
    assert 0 <= low <= share.value + 1e-12
    assert share.value - 1e-12 <= high <= 1


def test_answer_without_labels_is_wrong_at_every_k() -> None:
    answers = Answers((0, 1, 2), ((0, 1), (2, 1), ()))
    assert (answers.top(1).hits, answers.top(5).hits, answers.refused) == (1, 2, 1)
    assert answers.top(5).n == 3


def test_classes_tell_what_they_were_mistaken_for() -> None:
    answers = Answers((0, 1, 1, 1), ((0,), (0,), (), (0,)))
    beagle, pug = answers.per_class(LABELS)
    assert beagle == {"label": "Beagle", "n": 1, "top1": 1.0, "mistaken_for": {}}
    assert pug["mistaken_for"] == {"Beagle": 2, "no dog": 1}


def test_class_without_photos_is_left_out_and_those_behind_it_stay() -> None:
    rows = Answers((0, 2, 2), ((0,), (2,), (0,))).per_class(LABELS)

    assert [(row["label"], row["n"], row["top1"]) for row in rows] == [
        ("Beagle", 1, 1.0),
        ("Dhole", 2, 0.5),
    ]


def test_mistakes_are_ordered_by_number_then_by_name() -> None:
    ranked = ((1,), (1,), (1,), (), (), (2,), (2,), (0,))

    (row,) = Answers((0,) * 8, ranked).per_class(("Pug", "Dhole", "Beagle"))

    assert list(row["mistaken_for"].items()) == [  # type: ignore[attr-defined]
        ("Dhole", 3),
        ("Beagle", 2),
        ("no dog", 2),
    ]
    assert row["top1"] == 0.125


def test_metrics_of_a_split_are_rounded_to_four_places_under_their_names() -> None:
    ranked = ((0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (4, 1, 2, 0, 3))
    labels = ("a", "b", "c", "d", "e")

    found = Answers((0, 0, 1), ranked).to_json(labels)

    classes = Answers((0, 0, 1), ranked).per_class(labels)
    assert found == {
        "top1": {"value": 0.3333, "n": 3, "ci95": [0.0615, 0.7923]},
        "top5": {"value": 1.0, "n": 3, "ci95": [0.4385, 1.0]},
        "answered_no_dog": 0,
        "classes": classes,
    }


def test_answers_without_any_photo_are_refused() -> None:
    with pytest.raises(ValueError, match="0 labels for 0 answers"):
        Answers((), ())


def test_answers_of_another_number_of_photos_are_refused() -> None:
    with pytest.raises(ValueError, match="2 labels for 1 answers"):
        Answers((0, 1), ((0,),))


def test_lines_give_every_metric_back_and_end_with_the_kept_epochs_objective() -> None:
    lines = [
        epoch_line(1, 1.5, 0.25, 1.25, 0.5),
        epoch_line(2, 0.5, 1.0, 2.0, 0.375),
        final_lines(1.25, 0.5, 0.75, 0.9375),
    ]
    log = "\n".join(lines)
    found = {name: re.findall(regex, log) for name, regex in METRIC_DEFINITIONS.items()}
    assert lines[0] == (
        "epoch=1 train:loss=1.5000 train:accuracy=0.2500 "
        "validation:loss=1.2500 validation:accuracy=0.5000"
    )
    assert found["train:loss"] == ["1.5000", "0.5000"]
    assert found["test:accuracy"] == ["0.7500"]
    assert found["test:top5"] == ["0.9375"]
    assert found[OBJECTIVE] == ["0.5000", "0.3750", "0.5000"]
    assert all(found.values())
