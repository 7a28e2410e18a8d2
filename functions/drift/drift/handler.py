"""Lambda entry point `drift.handler.handle`: once a day, for the day before, in UTC.

{"day": "2026-11-26"} asks for one day, and publishes nothing. The schedule asks for none, and gets
yesterday, and the days before it that were missed, CATCH_UP of them at most. Answers a list of
{day, state, findings}.
Environment variables: see drift.settings. Raises what AWS says: the schedule's next turn makes up
for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
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
_CONFIG = Config(connect_timeout=2, read_timeout=20, retries={"mode": "standard"})
_DYNAMODB = boto3.resource("dynamodb", config=_CONFIG)
_CLOUDWATCH = boto3.client("cloudwatch", config=_CONFIG)

logger = logging.getLogger("drift")
logger.setLevel(logging.INFO)


def handle(event: dict[str, Any], context: Any) -> list[dict[str, Any]]:
    ports = _ports()
    found = [look_at(day, ports) for day in _days(event, ports)]
    for one in found:
        if "day" not in event:
            _publish(one)
        logger.info("Day done", extra={"day": one.day.isoformat(), "state": one.state})
    return [
        {
            "day": one.day.isoformat(),
            "state": one.state,
            "findings": [finding.words for finding in one.findings],
        }
        for one in found
    ]


def _ports() -> Ports:
    predictions = _DYNAMODB.Table(SETTINGS.predictions_table)
    drift = _DYNAMODB.Table(SETTINGS.drift_table)
    return Ports(
        rows=partial(table.rows_of, predictions),
        reviewed=partial(table.reviewed_on, predictions),
        day=lambda day: table.get(drift, table.DAY, day.isoformat()),
        put_day=lambda day, item: table.put(drift, table.DAY, day.isoformat(), item),
        baseline=lambda model: table.get(drift, table.BASELINE, model),
        put_baseline=lambda model, item: table.put(drift, table.BASELINE, model, item),
    )


def _days(event: dict[str, Any], ports: Ports) -> Iterator[date]:
    """The oldest first: a baseline is made of days in their order."""
    if "day" in event:
        yield date.fromisoformat(event["day"])
        return
    today = datetime.now(UTC).date()
    for back in range(CATCH_UP, 0, -1):
        day = today - timedelta(days=back)
        if back == 1 or ports.day(day) is None:
            yield day


def _publish(one: Day) -> None:
    data = [{"MetricName": name, "Value": value} for name, value in one.figures.items()]
    if data:
        _CLOUDWATCH.put_metric_data(Namespace=SETTINGS.namespace, MetricData=data)
    if one.findings and SETTINGS.topic_arn:
        stack = SETTINGS.namespace
        boto3.client("sns", config=_CONFIG).publish(
            TopicArn=SETTINGS.topic_arn,
            Subject=f"{stack}: photos or answers are not what they were"[:100],
            Message=message(
                stack, one.day.isoformat(), list(one.findings), int(one.item["photos"])
            ),
        )
