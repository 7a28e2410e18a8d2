"""Who may take the champion's place, and who is refused with which words."""

from dataclasses import replace

import pytest

from tests.unit.training.contest.models import LABELS, model, other, photos
from training.contest.answers import Photo
from training.contest.verdict import judge
from training.errors import JobError


def names(shown: list[Photo], label: str, count: int) -> set[str]:
    """The first `count` photos of a label."""
    return {photo.name for photo in [one for one in shown if one.label == label][:count]}


def test_one_model_is_not_worse_than_itself_however_few_photos_there_are() -> None:
    shown = photos(2)

    found = judge(model(shown), model(shown), shown, [])

    assert found.word == "not_worse"
    assert "one version" in found.reason


def test_equal_answers_of_another_model_need_photos_enough() -> None:
    few, many = photos(5), photos(100)

    assert judge(model(few), other(model(few)), few, []).word == "refused"
    assert "More test photos" in judge(model(few), other(model(few)), few, []).reason
    assert judge(model(many), other(model(many)), many, []).word == "not_worse"


def test_more_right_beyond_chance_is_better() -> None:
    shown = photos(100)
    champion = model(shown, names(shown, "Pug", 10))

    found = judge(champion, other(model(shown)), shown, [])

    assert found.word == "better"
    assert (found.test.only_challenger, found.test.only_champion) == (10, 0)


def test_a_little_worse_everywhere_is_refused_overall() -> None:
    shown = photos(100)
    wrong = set().union(*(names(shown, label, 3) for label in LABELS))

    found = judge(model(shown), other(model(shown, wrong)), shown, [])

    assert found.word == "refused"
    assert found.reason.startswith("Worse overall: -3.0% of 300 test photos (0 won, 9 lost")
    assert not any(one.is_worse for one in found.breeds)


def test_won_overall_and_lost_for_a_breed_is_refused_for_that_breed() -> None:
    shown = photos(100)
    champion = model(shown, names(shown, "Pug", 40))
    challenger = other(model(shown, names(shown, "Beagle", 12)))

    found = judge(champion, challenger, shown, [])

    assert found.test.difference > 0
    assert found.word == "refused"
    assert "Clearly worse for Beagle (100 to 88 of 100 right)" in found.reason


@pytest.mark.parametrize(("lost", "worse"), [(3, False), (4, True)])
def test_breed_of_few_photos_that_lost_most_of_them_is_worse(lost: int, worse: bool) -> None:
    labels = tuple(f"breed {number}" for number in range(100))
    shown = photos(7, labels)
    challenger = other(model(shown, names(shown, "breed 5", lost), labels))

    found = judge(model(shown, labels=labels), challenger, shown, [])

    assert [one.label for one in found.breeds if one.is_worse] == (["breed 5"] if worse else [])
    assert found.word == ("refused" if worse else "not_worse")


def test_random_sample_that_got_worse_refuses_a_challenger_that_holds_on_test() -> None:
    test, audit = photos(100), photos(30, split="audit")
    wrong = set().union(*(names(audit, label, 3) for label in LABELS))
    both = [*test, *audit]

    found = judge(model(both), other(model(both, wrong)), test, audit)

    assert found.word == "refused"
    assert "random sample" in found.reason
    assert found.to_json()["audit"]["n"] == 90


@pytest.mark.parametrize(("hits", "refused"), [(1430, True), (1780, False), (1960, False)])
def test_model_that_is_less_often_right_on_its_own_training_photos_is_refused(
    hits: int, refused: bool
) -> None:
    # GIVEN a challenger as good as the champion on 300 test photos, 270 of which it has right
    shown = photos(100)
    wrong = set().union(*(names(shown, label, 10) for label in LABELS))
    challenger = other(model(shown, wrong, on_train=(hits, 2000)))

    found = judge(model(shown, wrong, on_train=(1000, 2000)), challenger, shown, [])

    # THEN what counts is its own training, and not the champion's
    assert found.word == ("refused" if refused else "not_worse")
    if refused:
        assert "it is right on 71.5% of the 2000 photos that it was trained on" in found.reason
        assert (
            "and on 90.0% of 300 test photos. About 21% of those labels are wrong" in found.reason
        )
    assert found.to_json()["challenger"]["on_train"]["n"] == 2000


@pytest.mark.parametrize(("chance", "refused"), [(0.8, True), (0.88, False), (0.99, False)])
def test_confidence_that_got_clearly_worse_refuses(chance: float, refused: bool) -> None:
    shown = photos(100)

    found = judge(model(shown), other(model(shown, chance=chance)), shown, [])

    assert found.word == ("refused" if refused else "not_worse")
    assert not refused or "the log loss on 300 test photos rose by 0.118" in found.reason


def test_new_breed_is_told_apart_and_no_part_of_the_comparison() -> None:
    shown = photos(100, (*LABELS, "Akita"))
    champion, challenger = model(shown), other(model(shown, labels=(*LABELS, "Akita")))

    found = judge(champion, challenger, shown, [])

    assert found.word == "not_worse"
    assert found.test.n == 300
    assert found.added["Akita"].hits == 100


def test_breed_that_is_no_longer_known_refuses() -> None:
    shown = photos(100)

    found = judge(model(shown), other(model(shown, labels=("Beagle", "Pug"))), shown, [])

    assert (found.word, found.reason) == ("refused", "It no longer knows Whippet.")


def test_nothing_in_common_is_no_comparison() -> None:
    shown = photos(3, ("Akita",))

    with pytest.raises(JobError, match="no test photo shows a breed that both models know"):
        judge(model(shown), model(shown), shown, [])


def test_photos_that_one_could_not_read_are_left_out_for_both() -> None:
    shown = photos(100)
    champion = model(shown)
    short = replace(champion, predictions=dict(list(champion.predictions.items())[1:]))

    assert judge(champion, short, shown, []).test.n == 299
