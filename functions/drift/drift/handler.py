"""Lambda entry point `drift.handler.handle`: once a day, for the day before, in UTC.

{"day": "2026-11-26"} asks for one day, and publishes nothing. The schedule asks for none, and gets
those of the last CATCH_UP days that were not published yet. A day that was tried MOST_TRIES times
is left out: one with too many rows would keep all later ones waiting. Answers a list of {day,
state, findings}.
Environment variables: see drift.settings. Raises ValueError for a day to come, and what AWS says:
the schedule's next turn makes up for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

import boto3
from botocore.config import Config

from drift import table
from drift.core import Day, Ports, look_at
from drift.settings import Settings
from drift.words import message

SETTINGS = Settings.from_env()
CATCH_UP = 7
MOST_TRIES = 6  # two nights: Lambda tries an event three times
_CONFIG = Config(connect_timeout=2, read_timeout=20, retries={"mode": "standard"})
_DYNAMODB = boto3.resource("dynamodb", config=_CONFIG)
_CLOUDWATCH = boto3.client("cloudwatch", config=_CONFIG)

logger = logging.getLogger("drift")
logger.setLevel(logging.INFO)


def handle(event: dict[str, Any], context: Any) -> list[dict[str, Any]]:
    ports, today, found = _ports(), datetime.now(UTC).date(), []
    for day in _days(event, today, ports):
        one = look_at(day, ports, over=day < today)
        if "day" not in event:
            # Day by day: where a later one fails, this one's mail was sent, and only once.
            _publish(one)
            ports.put_day(day, one.item | {"published": True})
        logger.info("Day done", extra={"day": day.isoformat(), "state": one.state})
        words = [finding.words for finding in one.findings]
        found.append({"day": day.isoformat(), "state": one.state, "findings": words})
    return found


def _ports() -> Ports:
    predictions = _DYNAMODB.Table(SETTINGS.predictions_table)
    drift = _DYNAMODB.Table(SETTINGS.drift_table)
    return Ports(
        rows=partial(table.rows_of, predictions),
        reviewed=partial(table.reviewed_between, predictions),
        day=lambda day: table.get(drift, table.DAY, day.isoformat()),
        put_day=lambda day, item: table.put(drift, table.DAY, day.isoformat(), item),
        baseline=lambda model: table.get(drift, table.BASELINE, model),
        put_baseline=lambda model, item: table.put(drift, table.BASELINE, model, item),
    )


def _days(event: dict[str, Any], today: date, ports: Ports) -> Iterator[date]:
    """The oldest first: a baseline is made of days in their order."""
    if "day" in event:
        day = date.fromisoformat(event["day"])
        if day > today:
            raise ValueError(f"{day} is still to come: it is {today}, in UTC")
        yield day
        return
    for back in range(CATCH_UP, 0, -1):
        day = today - timedelta(days=back)
        if not (ports.day(day) or {}).get("published") and _may_be_tried(day):
            yield day


def _may_be_tried(day: date) -> bool:
    """Counts the try before the day is read: a function that times out counts nothing after."""
    drift, name = _DYNAMODB.Table(SETTINGS.drift_table), day.isoformat()
    tries = int((table.get(drift, table.TRY, name) or {}).get("tries", 0))
    if tries >= MOST_TRIES:
        logger.error(
            "%s is left out after %s tries: earlier log lines say why they failed. Once that is "
            "mended, `make drift` with this DAY looks at it",
            name, tries,
        )  # fmt: skip
        return False
    table.put(drift, table.TRY, name, {"tries": tries + 1})
    return True


def _publish(one: Day) -> None:
    # A day's figures stand at its end, also where they come later.
    end = datetime.combine(one.day + timedelta(days=1), time(), UTC)
    data = [
        {"MetricName": name, "Value": value, "Timestamp": end}
        for name, value in one.figures.items()
    ]
    if data:
        _CLOUDWATCH.put_metric_data(Namespace=SETTINGS.namespace, MetricData=data)
    if one.findings and SETTINGS.topic_arn:
        _mail(one)


def _mail(one: Day) -> None:
    stack = SETTINGS.namespace
    sns = boto3.client("sns", config=_CONFIG)
    try:
        sns.publish(
            TopicArn=SETTINGS.topic_arn,
            Subject=f"{stack}: photos or answers are not what they were"[:100],
            Message=message(
                stack, one.day.isoformat(), list(one.findings), int(one.item["photos"])
            ),
        )
    except sns.exceptions.NotFoundException:
        # The classifier's stack mails nobody any more: the day is kept, and the pages show it.
        logger.error("No mail: the topic is gone. `make drift-watch` again", exc_info=True)
