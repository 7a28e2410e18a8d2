"""The function whole, over tables as the templates make them: what it reads, keeps, publishes."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any

import boto3
import pytest
from drift import core, table
from drift.histograms import counted
from drift.settings import Settings
from moto import mock_aws

from tests.unit.drift.days import Row, darker, some
from tests.unit.template.cloudformation import ROOT, parse, table_of, template

DAY = date(2026, 10, 31)
ENVIRONMENT = {"PREDICTIONS_TABLE": "rows", "DRIFT_TABLE": "days", "NAMESPACE": "dogs"}


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        **ENVIRONMENT,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


@pytest.fixture
def rows() -> Any:
    return made("rows", template(), "PredictionsTable")


@pytest.fixture
def days() -> Any:
    return made("days", parse((ROOT / "operate" / "drift.yaml").read_text()), "DriftTable")


@pytest.fixture
def handler(rows: Any, days: Any, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Imported anew: it makes its clients as it is imported."""
    monkeypatch.delitem(sys.modules, "drift.handler", raising=False)
    return importlib.import_module("drift.handler")


def made(name: str, source: dict[str, Any], resource: str) -> Any:
    given = table_of(source, resource)
    return boto3.resource("dynamodb").create_table(TableName=name, **given)


def fail(handler: ModuleType, monkeypatch: pytest.MonkeyPatch, bad: date, error: Exception) -> None:
    """Whoever looks at this day fails."""

    def failing(day: date, *arguments: Any, **options: Any) -> Any:
        if day == bad:
            raise error
        return core.look_at(day, *arguments, **options)

    monkeypatch.setattr(handler, "look_at", failing)


def put(rows: Any, day: date, content: list[Row]) -> None:
    with rows.batch_writer() as writer:
        for number, row in enumerate(content):
            writer.put_item(Item=row | placed(day, number))


def learned(days: Any, chance: random.Random) -> None:
    """A baseline that is complete."""
    counts = counted(some(chance, 1000))["one"].to_item()
    table.put(
        days, table.BASELINE, "one", {"days": ["2026-11-01"], "counts": counts, "complete": True}
    )


def placed(day: date, number: int, time: str = "12:00:00.000000") -> Row:
    return {
        "image_key": f"uploads/{day}/{number}.jpg",
        "month_shard": f"{day:%Y-%m}#{number % 4}",
        "classified_at": f"{day}T{time}Z",
    }


def published() -> dict[str, float]:
    """Name of each metric -> the sum of all its values."""
    cloudwatch = boto3.client("cloudwatch")
    now = datetime.now(UTC)
    found = {}
    for metric in cloudwatch.list_metrics(Namespace="dogs")["Metrics"]:
        (point,) = cloudwatch.get_metric_statistics(
            Namespace="dogs", MetricName=metric["MetricName"], Statistics=["Sum"], Period=86400,
            StartTime=now - timedelta(days=9), EndTime=now + timedelta(days=1),
        )["Datapoints"]  # fmt: skip
        found[metric["MetricName"]] = point["Sum"]
    return found


def test_day_is_read_from_its_first_to_its_last_microsecond(rows: Any) -> None:
    first, last = "00:00:00.000000", "23:59:59.999999"
    for number, (day, time) in enumerate([
        (DAY - timedelta(days=1), last), (DAY, first), (DAY, last), (DAY + timedelta(days=1), first)
    ]):  # fmt: skip
        rows.put_item(Item=placed(day, number, time))
    keys = {row["image_key"] for row in table.rows_of(rows, DAY)}
    assert keys == {f"uploads/{DAY}/{number}.jpg" for number in (1, 2)}


def test_every_page_of_every_shard_is_read_once(rows: Any) -> None:
    # A page ends at a megabyte.
    put(rows, DAY, [{"padding": "x" * 100_000} for _ in range(60)])
    keys = [row["image_key"] for row in table.rows_of(rows, DAY)]
    assert len(keys) == len(set(keys)) == 60


def test_reviews_are_read_by_the_days_of_the_reviews_in_every_month_of_them(rows: Any) -> None:
    # GIVEN a photo that was reviewed on each of a hundred days
    for number in range(100):
        day = DAY + timedelta(days=number - 50)
        reviewed = {"reviewed_in": f"{day:%Y-%m}", "reviewed_at": f"{day}T00:00:00.000000Z"}
        item = placed(DAY - timedelta(days=99), number) | reviewed | {"confidence": number}
        rows.put_item(Item=item)

    def found(back: int, ahead: int) -> list[int]:
        span = DAY - timedelta(days=back), DAY + timedelta(days=ahead)
        return [int(row["confidence"]) - 50 for row in table.reviewed_between(rows, *span)]

    # WHEN the reviews of a day are asked for, or those of a span, the confidence tells which
    # THEN it is that day's, or the span's with its first and its last, each once
    assert found(0, 0) == [0]
    assert found(29, 0) == list(range(-29, 1))
    assert found(40, 35) == list(range(-40, 36))
    # AND where the first day comes after the last no table is asked: DynamoDB refuses such a span
    assert list(table.reviewed_between(None, DAY + timedelta(days=1), DAY)) == []


def test_night_makes_up_for_nights_that_were_missed_and_publishes(
    handler: ModuleType, rows: Any, days: Any
) -> None:
    chance, today = random.Random(3), datetime.now(UTC).date()
    learned(days, chance)
    put(rows, today - timedelta(days=1), darker(some(chance, 150)))
    answers = handler.handle({}, None)
    assert [answer["day"] for answer in answers] == [
        str(today - timedelta(days=back)) for back in range(7, 0, -1)
    ]
    assert [answer["state"] for answer in answers] == ["no photos"] * 6 + ["drift"]
    assert published()["DriftFindings"] == 1
    # Every day is published once.
    assert handler.handle({}, None) == []
    assert published()["DriftFindings"] == 1
    kept = days.get_item(Key={"kind": "day", "name": str(today - timedelta(days=1))})["Item"]
    assert kept["findings"][0]["words"].startswith("Photos have become darker")


def test_night_that_fails_has_published_the_days_before_and_takes_up_the_others(
    handler: ModuleType, rows: Any, days: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, today = random.Random(3), datetime.now(UTC).date()
    learned(days, chance)
    two, one = (today - timedelta(days=back) for back in (2, 1))
    put(rows, two, darker(some(chance, 150)))
    put(rows, one, some(chance, 150))
    fail(handler, monkeypatch, one, RuntimeError("throttled"))
    with pytest.raises(RuntimeError, match="throttled"):
        handler.handle({}, None)
    assert published()["DriftFindings"] == 1
    monkeypatch.setattr(handler, "look_at", core.look_at)
    # Somebody who looks at a published day does not have it published again.
    handler.handle({"day": str(two)}, None)
    assert [answer["day"] for answer in handler.handle({}, None)] == [str(one)]


def test_day_that_fails_two_nights_long_no_longer_keeps_the_later_ones_waiting(
    handler: ModuleType, rows: Any, days: Any, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    # GIVEN a day that can never be read
    today = datetime.now(UTC).date()
    bad, later = (today - timedelta(days=back) for back in (2, 1))
    fail(handler, monkeypatch, bad, TimeoutError("too many rows"))
    # WHEN two nights have tried it three times each
    for _ in range(6):
        with pytest.raises(TimeoutError):
            handler.handle({}, None)
    assert table.get(days, table.DAY, str(later)) is None
    # THEN the next leaves it out, says so, and goes on with the day after it
    assert [answer["day"] for answer in handler.handle({}, None)] == [str(later)]
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert f"{bad} is left out after 6 tries" in error.getMessage()
    assert "`make drift` with this DAY" in error.getMessage()


def test_look_at_one_day_counts_as_no_try(handler: ModuleType, rows: Any, days: Any) -> None:
    # GIVEN a day that somebody looked at more often than a night may try it
    day = datetime.now(UTC).date() - timedelta(days=1)
    for _ in range(handler.MOST_TRIES + 1):
        handler.handle({"day": str(day)}, None)
    # WHEN the night comes, THEN it takes the day up
    assert handler.handle({}, None)[-1]["day"] == str(day)


def test_topic_that_is_gone_does_not_stop_the_watch(
    handler: ModuleType, rows: Any, days: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = "arn:aws:sns:eu-west-1:123456789012:dogs-alarms"
    monkeypatch.setattr(handler, "SETTINGS", replace(handler.SETTINGS, topic_arn=gone))
    chance, today = random.Random(3), datetime.now(UTC).date()
    learned(days, chance)
    put(rows, today - timedelta(days=1), darker(some(chance, 150)))
    assert handler.handle({}, None)[-1]["state"] == "drift"
    assert handler.handle({}, None) == []


def test_day_that_is_not_over_is_shown_and_nothing_is_learned_from_it(
    handler: ModuleType, rows: Any, days: Any
) -> None:
    chance, today = random.Random(8), datetime.now(UTC).date()
    put(rows, today, some(chance, 1100))
    (answer,) = handler.handle({"day": str(today)}, None)
    assert answer["state"] == "learning"
    assert table.get(days, table.DAY, str(today))
    assert table.get(days, table.BASELINE, "one") is None


def test_day_to_come_is_refused(handler: ModuleType, days: Any) -> None:
    with pytest.raises(ValueError, match="still to come"):
        handler.handle({"day": str(datetime.now(UTC).date() + timedelta(days=1))}, None)


def test_day_that_somebody_asks_for_is_kept_and_not_published(
    handler: ModuleType, rows: Any, days: Any
) -> None:
    chance = random.Random(4)
    learned(days, chance)
    put(rows, DAY, some(chance, 150, confidence=Decimal("0.3")))
    (answer,) = handler.handle({"day": str(DAY)}, None)
    assert answer["state"] == "drift"
    assert any("points less sure" in words for words in answer["findings"])
    assert published() == {}
    assert table.get(days, table.DAY, str(DAY))


def test_nothing_is_published_of_few_photos(handler: ModuleType, rows: Any, days: Any) -> None:
    chance, today = random.Random(5), datetime.now(UTC).date()
    learned(days, chance)
    put(rows, today - timedelta(days=1), darker(some(chance, 99)))
    assert handler.handle({}, None)[-1]["state"] == "too few"
    assert published() == {}


def test_largest_item_of_a_day_is_one_that_dynamodb_takes(
    handler: ModuleType, rows: Any, days: Any
) -> None:
    """Each of more breeds than are told apart, with a name as long as names may be."""
    chance = random.Random(6)
    content = some(chance, 600, status="CLASSIFIED")
    put(rows, DAY, [row | {"breed": f"{at:064}"} for at, row in enumerate(content)])
    (answer,) = handler.handle({"day": str(DAY)}, None)
    assert answer["state"] == "learning"
    names = days.get_item(Key={"kind": "day", "name": str(DAY)})["Item"]["counts"]["names"]["breed"]
    assert names["(others)"] == 100


@pytest.mark.parametrize("missing", sorted(ENVIRONMENT))
def test_setting_that_is_missing_is_named(missing: str) -> None:
    with pytest.raises(ValueError, match=f"{missing} is not set"):
        Settings.from_env({**ENVIRONMENT, missing: " "})
