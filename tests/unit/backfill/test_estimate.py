"""Hours and dollars: what grows, with what, and what is said where nothing is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backfill import estimate
from backfill.estimate import Load

LOAD = Load(1_000_000, 1_000_000, again=False, rate=20.0, concurrency=2)


def dollars(load: Load) -> dict[str, float]:
    return {step.name: step.usd for step in estimate.steps(load)}


def test_bill_of_a_million_photos_by_hand() -> None:
    bill = dollars(LOAD)
    assert bill["S3, listing"] == pytest.approx(0.005)
    assert bill["S3, photos read"] == pytest.approx(0.4)
    assert bill["S3, thumbnails"] == pytest.approx(5.0)
    assert bill["SQS"] == pytest.approx(0.12)
    assert bill["DynamoDB, rows and indexes"] == pytest.approx(4.05 * 0.625)
    # 50,000 s of two functions of 1.73 GB, and 100,000 requests.
    assert bill["Lambda, classify"] == pytest.approx(
        100_000 * 1769 / 1024 / 60_000 + 0.02, rel=0.01
    )
    # 1,000 pages and 8,333 looks, three transitions each.
    assert bill["Step Functions"] == pytest.approx(28_000 / 1000 * 0.025)


def test_ten_times_the_photos_cost_ten_times_as_much() -> None:
    ten = replace(LOAD, seen=10_000_000, photos=10_000_000)
    assert sum(dollars(ten).values()) == pytest.approx(10 * sum(dollars(LOAD).values()), rel=1e-6)


def test_bill_knows_that_a_pace_reads_in_small_steps() -> None:
    # Of 10 photos a second the lister reads 60 at a time, as many as may be sent until it waits.
    slow = replace(LOAD, rate=10.0, pace=10)
    assert slow.page == 60
    assert dollars(slow)["S3, listing"] == pytest.approx(1e6 / 60 * 0.005 / 1000)
    assert any("reads 60 at a time" in line for line in estimate.assumptions(slow, "PACE"))
    assert replace(LOAD, pace=1000).page == 1000
    assert replace(LOAD, pace=0.01).page == 1


def test_what_is_answered_already_costs_next_to_nothing() -> None:
    again = sum(dollars(replace(LOAD, photos=0)).values())
    assert again < 0.02 * sum(dollars(LOAD).values())


def test_unknown_rate_is_said_and_hours_are_not_made_up() -> None:
    load = replace(LOAD, rate=None, instance_type="ml.m5.2xlarge")
    assert load.seconds is None
    assert not any("SageMaker" in name for name in dollars(load))
    assert any("RATE=" in line for line in estimate.assumptions(load, "no rows"))


def test_instance_is_on_the_bill_for_the_hours_that_it_takes() -> None:
    load = replace(LOAD, instance_type="ml.m5.2xlarge")
    (usd,) = [usd for name, usd in dollars(load).items() if "SageMaker" in name]
    assert usd == pytest.approx(50_000 / 3600 * 0.461)


class Table:
    """Rows of one shard: a slow hundred, and a fast one."""

    def __init__(self, *times: datetime) -> None:
        self._times = times

    def query(self, **asked: object) -> dict[str, object]:
        part = asked["ExpressionAttributeValues"][":part"]["S"]  # type: ignore[index]
        times = self._times if part == "2026-11#0" else ()
        return {"Items": [{"classified_at": {"S": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"}} for at in times]}


def test_rate_is_that_of_the_busiest_hundred() -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    slow = [start + timedelta(seconds=number) for number in range(150)]
    fast = [start + timedelta(hours=1, seconds=number / 25) for number in range(150)]
    found = estimate.busiest_rate(Table(*slow, *fast), "t", start + timedelta(days=3))
    assert found == pytest.approx(25.0)


def test_rate_of_few_rows_is_unknown() -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    assert estimate.busiest_rate(Table(*[start] * 100), "t", start) is None
