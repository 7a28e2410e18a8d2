"""Days against what was before: learned, quiet, changed."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

import pytest
from api import reviewing
from drift.core import Day, look_at
from drift.histograms import Counts, counted

from tests.unit.drift.days import BREEDS, FIRST, Row, Tables, darker, rejected, row, some

LEARNED = [FIRST + timedelta(days=n) for n in range(2)]
NEXT = FIRST + timedelta(days=2)


@pytest.fixture
def chance() -> random.Random:
    return random.Random(5)


@pytest.fixture
def tables(chance: random.Random) -> Tables:
    """With a baseline of two days."""
    made = Tables()
    for day in LEARNED:
        made.rows[day] = some(chance, 600)
        assert look_at(day, made.ports()).state == "learning"
    assert made.baselines["one"]["complete"]
    return made


def look(tables: Tables, rows: list[Row], day: date = NEXT) -> Day:
    tables.rows[day] = rows
    return look_at(day, tables.ports())


def figures(day: Day) -> set[str]:
    return {finding.figure for finding in day.findings}


def test_day_like_those_before_is_quiet(tables: Tables, chance: random.Random) -> None:
    day = look(tables, some(chance, 300))
    assert (day.state, figures(day)) == ("quiet", set())
    assert day.figures["DriftFindings"] == 0
    assert day.figures["Psi brightness"] < 0.1
    assert tables.days[NEXT]["state"] == "quiet"


def test_darker_photos_are_said_to_be_darker_and_shown(
    tables: Tables, chance: random.Random
) -> None:
    day = look(tables, darker(some(chance, 150)))
    assert (day.state, figures(day)) == ("drift", {"brightness"})
    (finding,) = day.findings
    assert finding.words.startswith("Photos have become darker")
    assert len(finding.examples) == 12
    assert tables.days[NEXT]["findings"] == [finding.to_item()]


def test_model_that_is_less_sure_is_told_in_points(tables: Tables, chance: random.Random) -> None:
    rows = [one | {"confidence": one["confidence"] * Decimal("0.8")} for one in some(chance, 300)]
    words = [finding.words for finding in look(tables, rows).findings]
    assert any("points less sure" in each for each in words)


def test_other_breeds_and_other_answers_are_named(tables: Tables, chance: random.Random) -> None:
    rows = [one | {"breed": BREEDS[0]} if at % 3 == 0 and "breed" in one else one
            for at, one in enumerate(some(chance, 300))]  # fmt: skip
    rows += [rejected(at) for at in range(60)]
    told = {finding.figure: finding.words for finding in look(tables, rows).findings}
    assert "more of: Breed 00" in told["breed"]
    assert "REJECTED NOT AN IMAGE 0% to 17%" in told["status"]


def test_day_of_few_photos_is_looked_at_with_those_before(
    tables: Tables, chance: random.Random
) -> None:
    days = [look(tables, darker(some(chance, 40)), NEXT + timedelta(days=n)) for n in range(3)]
    assert [day.state for day in days] == ["too few", "too few", "drift"]
    assert days[0].figures == {}
    assert days[2].item["compared"] == 120


def test_small_day_is_joined_with_those_of_two_weeks_and_none_before(
    tables: Tables, chance: random.Random
) -> None:
    # GIVEN a small day
    look(tables, some(chance, 60))
    # WHEN another comes 14 days later, or 13
    far, near = (look(tables, some(chance, 50), NEXT + timedelta(days=ahead)) for ahead in (14, 13))
    # THEN the former is by itself, and the latter has the first with it
    assert far.state == "too few"
    assert near.item["compared"] == 110


def test_day_that_is_looked_at_again_is_counted_once(tables: Tables, chance: random.Random) -> None:
    before = tables.baselines["one"]
    again = look_at(LEARNED[0], tables.ports())
    assert again.state == "learning"
    assert tables.baselines["one"] == before


def test_new_model_has_a_baseline_of_its_own(tables: Tables, chance: random.Random) -> None:
    day = look(tables, darker(some(chance, 300, model_version="two")))
    assert day.state == "learning"
    assert not tables.baselines["two"]["complete"]


def test_day_without_photos_says_so(tables: Tables) -> None:
    assert look(tables, []).state == "no photos"


def test_day_on_which_every_photo_is_rejected_is_found(tables: Tables) -> None:
    day = look(tables, [rejected(at) for at in range(120)])
    assert day.item["photos"] == 120
    told = {finding.figure: finding for finding in day.findings}
    assert "REJECTED NOT AN IMAGE 0% to 100%" in told["status"].words
    assert len(told["status"].examples) == 12
    assert "ExpectedAccuracy" not in day.figures


def test_day_of_rejected_photos_before_any_model_answered_has_nothing_to_be_compared_with() -> None:
    day = look(Tables(), [rejected(at) for at in range(120)])
    assert (day.state, day.item["photos"], day.figures) == ("learning", 120, {})


def test_expected_accuracy_is_of_as_many_photos_as_the_indexes(
    tables: Tables, chance: random.Random
) -> None:
    look(tables, some(chance, 99, confidence=Decimal("0.8")), NEXT)
    day = look(tables, some(chance, 1, confidence=Decimal("0.2")), NEXT + timedelta(days=1))
    assert day.item["compared"] == 100
    assert day.figures["ExpectedAccuracy"] > 0.75


def test_nothing_is_learned_from_a_day_that_no_model_answered(chance: random.Random) -> None:
    tables = Tables()
    look(tables, some(chance, 300), FIRST)
    assert look(tables, [rejected(at) for at in range(1000)], LEARNED[1]).state == "learning"
    assert tables.baselines["one"]["days"] == [FIRST.isoformat()]
    # AND rejected photos are none of the thousand that a baseline is of
    rows = some(chance, 600) + [rejected(at) for at in range(400)]
    look(tables, rows, NEXT)
    assert not tables.baselines["one"]["complete"]


def test_rejected_photo_is_with_the_model_that_answered_before_it(chance: random.Random) -> None:
    """Two shards of a day on which another model came at noon."""
    hours = [f"2026-11-03T{hour:02}:30:00.000000Z" for hour in range(24)]
    rows = [
        row(chance, 0, model_version="one" if at < 12 else "two") | {"classified_at": hour}
        for at, hour in enumerate(hours)
    ]
    refused = [rejected(at) | {"classified_at": hour} for at, hour in enumerate(hours)]
    shard = [each for pair in zip(refused, rows, strict=True) for each in pair]
    found = counted([*shard, *shard])
    # The one at 12:30 came before the new model's first answer.
    assert {model: counts.photos - counts.answered for model, counts in found.items()} == {
        "one": 26, "two": 22,
    }  # fmt: skip
    assert counted(refused)[""].photos == 24


def test_mean_confidence_of_few_photos_is_not_compared(
    tables: Tables, chance: random.Random
) -> None:
    rows = [row(chance, at, status="NO_DOG") for at in range(300)]
    rows += some(chance, 49, status="CLASSIFIED", confidence=Decimal("0.2"))
    found = figures(look(tables, rows))
    assert "expected accuracy" not in found
    rows += some(chance, 1, status="CLASSIFIED", confidence=Decimal("0.2"))
    assert "expected accuracy" in figures(look(tables, rows))


def test_day_that_was_kept_loses_nothing_by_photos_that_went(
    tables: Tables, chance: random.Random
) -> None:
    rows = darker(some(chance, 150))
    first = look(tables, rows)
    kept = dict(tables.days[NEXT])
    again = look(tables, rows[:20])
    assert (again.state, again.findings) == (first.state, first.findings)
    assert tables.days[NEXT] == kept
    # More photos than before are another matter.
    assert look(tables, rows + some(chance, 10)).item["photos"] == 160


def test_day_that_was_looked_at_before_it_was_over_is_counted_anew(chance: random.Random) -> None:
    # GIVEN a day that somebody looked at while it lasted
    tables = Tables(rows={FIRST: some(chance, 600)})
    look_at(FIRST, tables.ports(), over=False)
    # WHEN a photo of it is deleted and people review others before the night
    tables.rows[FIRST].pop()
    tables.reviews[FIRST] = audited(chance, 9, 1)
    look_at(FIRST, tables.ports())
    # THEN the night keeps what is there, with the reviews, and learns from it
    assert tables.days[FIRST]["photos"] == 599
    assert tables.days[FIRST]["audit"]["n"] == 10
    assert tables.baselines["one"]["counts"]["photos"] == 599


def test_day_that_was_kept_before_days_said_whether_they_were_over_stands(
    tables: Tables, chance: random.Random
) -> None:
    # GIVEN a day as it was kept then
    look(tables, some(chance, 150))
    del tables.days[NEXT]["over"]
    # WHEN photos of it are deleted and it is looked at again
    look(tables, some(chance, 20))
    # THEN it has lost nothing
    assert tables.days[NEXT]["photos"] == 150


def test_photos_of_a_back_fill_are_of_no_day(tables: Tables, chance: random.Random) -> None:
    rows = some(chance, 300) + darker(some(chance, 300, backfill="b1"))
    assert look(tables, rows).state == "quiet"
    assert tables.days[NEXT]["photos"] == 300


def audited(chance: random.Random, right: int, wrong: int) -> list[Row]:
    said = [{"verdict": "RIGHT"}] * right + [{"verdict": "WRONG_BREED", "breed": "x"}] * wrong
    return [
        row(chance, at, sample=True, review=each, status="CLASSIFIED", breed="Breed 01",
            confidence=Decimal("0.9"))
        for at, each in enumerate(said)
    ]  # fmt: skip


def test_model_that_says_more_than_it_holds_is_found(tables: Tables, chance: random.Random) -> None:
    # reviewed over several days, and only the sample counts
    for back in (1, 2):
        tables.reviews[NEXT - timedelta(days=back)] = audited(chance, 15, 15)
        look_at(NEXT - timedelta(days=back), tables.ports())
    tables.reviews[NEXT] = audited(chance, 15, 15) + some(chance, 50, review={"verdict": "RIGHT"})
    day = look(tables, some(chance, 300))
    (finding,) = day.findings
    assert finding.figure == "audited accuracy"
    assert "people call 50% of 90 sampled photos right" in finding.words


def test_reviews_of_thirty_days_count_and_those_before_do_not(
    tables: Tables, chance: random.Random
) -> None:
    # GIVEN sampled photos that people called right 29 days ago, and others wrong before
    day = NEXT + timedelta(days=60)
    tables.reviews[day - timedelta(days=29)] = audited(chance, 60, 0)
    for back in (30, 31):
        tables.reviews[day - timedelta(days=back)] = audited(chance, 0, 60)
    # WHEN a day is compared
    found = look(tables, some(chance, 300), day)
    # THEN only those of thirty days, its own with them, are in the accuracy
    assert found.figures["AuditedAccuracy"] == 1


def test_review_that_changes_on_a_later_day_counts_once_as_it_stands(
    tables: Tables, chance: random.Random
) -> None:
    # GIVEN sixty sampled photos that people called right
    tables.reviews[NEXT] = audited(chance, 60, 0)
    assert look(tables, some(chance, 300)).figures["AuditedAccuracy"] == 1
    # WHEN they say otherwise of twelve of them on the day after
    later = NEXT + timedelta(days=1)
    tables.reviews = {NEXT: audited(chance, 48, 0), later: audited(chance, 0, 12)}
    day = look(tables, some(chance, 300), later)
    # THEN sixty were reviewed, and the day keeps its own twelve
    assert day.figures["AuditedAccuracy"] == 0.8
    assert day.item["audit"]["n"] == 12


def test_new_model_does_not_answer_for_the_one_before(chance: random.Random) -> None:
    tables, at = Tables(), FIRST
    for model, right in (("one", 5), ("two", 9)):
        for _ in range(20):
            tables.reviews[at] = [
                each | {"model_version": model} for each in audited(chance, right, 10 - right)
            ]
            day = look(tables, some(chance, 300, model_version=model), at)
            at += timedelta(days=1)
        found = {figure for item in tables.days.values() for figure in
                 (each["figure"] for each in item["findings"])
                 if item.get("model_version") == model}  # fmt: skip
        assert found == ({"audited accuracy"} if model == "one" else set())
    # Of a month, as far as the model's baseline goes back.
    assert day.figures["AuditedAccuracy"] == 0.9


def test_what_people_said_before_the_baseline_counts_no_more(
    tables: Tables, chance: random.Random
) -> None:
    # GIVEN a model that was found to be less often right than it says
    tables.reviews[NEXT] = audited(chance, 30, 60)
    assert figures(look(tables, some(chance, 300))) == {"audited accuracy"}
    # WHEN its baseline is forgotten, and made anew of the days after
    del tables.baselines["one"]
    for back in (1, 2):
        look(tables, some(chance, 600), NEXT + timedelta(days=back))
    # THEN it is not told again
    assert look(tables, some(chance, 300), NEXT + timedelta(days=3)).state == "quiet"


def test_model_that_is_as_right_as_it_says_is_left_alone(
    tables: Tables, chance: random.Random
) -> None:
    tables.reviews[NEXT] = audited(chance, 86, 14)
    assert look(tables, some(chance, 300)).state == "quiet"


def test_word_on_an_answer_before_counts_for_that_answer(
    tables: Tables, chance: random.Random
) -> None:
    rows = audited(chance, 60, 0)
    for each in rows:
        each["review"]["answer"] = {"status": "NO_DOG", "confidence": Decimal("0.9")}
    tables.reviews[NEXT] = rows
    look(tables, some(chance, 300))
    assert tables.days[NEXT]["audit"]["n"] == 0


def test_right_is_what_the_api_calls_right() -> None:
    """Of classified photos, which are all that is audited here."""
    answer = {"status": "CLASSIFIED"}
    for verdict in ("RIGHT", "WRONG_BREED", "NEW_BREED", "NO_DOG"):
        assert reviewing._is_right(answer, {"verdict": verdict}) == (verdict == "RIGHT")


def test_counts_come_back_from_an_item_as_they_were(chance: random.Random) -> None:
    counts = counted([*some(chance, 50), rejected(1)])["one"]
    back = Counts.from_item(counts.to_item())
    assert (back.photos, back.bins, back.names) == (counts.photos, counts.bins, counts.names)
    assert back.sure == pytest.approx(counts.sure, abs=1e-5)
