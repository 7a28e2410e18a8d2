"""What the nightly watch on drift has found: a table here, and a page with curves and pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from operate.drift_page import page
from training.jobs.errors import CommandError, UsageError
from training.jobs.stack import described, look, outputs_of
from training.jobs.terminal import say

Clients = Callable[[str], Any]
MOST_DAYS = 90


@dataclass(frozen=True)
class Day:
    """One item of the table; `findings` are (words, keys of photos)."""

    day: str
    state: str
    photos: int
    sure: float | None
    audited: tuple[int, int]
    psi: Mapping[str, float]
    findings: Sequence[tuple[str, Sequence[str]]]
    model: str

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Day:
        total, _, count = map(float, item["counts"]["sure"])
        audit = item["audit"]
        return cls(
            day=item["name"],
            state=item["state"],
            photos=int(item["photos"]),
            sure=total / count if count else None,
            audited=(int(audit["right"]), int(audit["n"])),
            psi={figure: float(value) for figure, value in item["psi"].items()},
            findings=[(one["words"], one["examples"]) for one in item["findings"]],
            model=item.get("model_version", ""),
        )


def drift(clients: Clients, name: str, day: str | None, out: Path, console: Console) -> None:
    """Print the days and write the page; with `day` that one is looked at first.

    Raises UsageError where nothing watches, CommandError where the function fails.
    """
    outputs = _outputs(clients, name)
    if day is not None:
        _ask(clients("lambda"), outputs["FunctionName"], day)
    days = [Day.from_item(item) for item in _days(clients("dynamodb"), outputs["DriftTableName"])]
    if not days:
        say(console, "No day was looked at yet: the first comes tonight, or with DAY=2026-11-26.")
        return
    _show(days, console)
    today = datetime.now(UTC).date()
    age = (today - date.fromisoformat(days[-1].day)).days
    if age > 1:
        say(
            console,
            f"The newest day is {age} days old: {outputs['FunctionName']} did not run, or failed. "
            f"Its log: sam logs --stack-name {name}-drift",
        )
    deployed = look(clients("cloudformation"), name)
    pictures = _Pictures(clients("dynamodb"), clients("s3"), deployed.table, deployed.bucket)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(name, days, pictures), encoding="utf-8")
    say(console, f"{out}: curves, and the photos of what was found")


def forget(clients: Clients, name: str, console: Console) -> None:
    """Delete the baseline of the model that answered last: the next days make another one.

    Raises UsageError where there is none.
    """
    dynamodb, table = clients("dynamodb"), _outputs(clients, name)["DriftTableName"]
    days = [Day.from_item(item) for item in _days(dynamodb, table)]
    model = next((day.model for day in reversed(days) if day.model), "")
    key = {"kind": {"S": "baseline"}, "name": {"S": model}}
    if not model or "Item" not in dynamodb.get_item(TableName=table, Key=key):
        of = f" of {model}" if model else ""
        raise UsageError(f"{name} has no baseline{of}: the next days with photos make one.")
    dynamodb.delete_item(TableName=table, Key=key)
    say(console, f"the baseline of {model} is gone: the next days with photos make another one")


def _outputs(clients: Clients, name: str) -> dict[str, str]:
    stack = described(clients("cloudformation"), f"{name}-drift")
    if stack is None:
        raise UsageError(f"Nothing watches {name} for drift: `make drift-watch STACK={name}` does.")
    return outputs_of(stack)


def _ask(lambda_: Any, function: str, day: str) -> None:
    answer = lambda_.invoke(FunctionName=function, Payload=json.dumps({"day": day}).encode())
    told = answer["Payload"].read().decode(errors="replace")
    if "FunctionError" in answer:
        raise CommandError(f"{function} failed: {told}")


def _days(dynamodb: Any, table: str) -> Iterator[dict[str, Any]]:
    """The newest MOST_DAYS, oldest first."""
    take = TypeDeserializer().deserialize
    answer = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="kind = :day",
        ExpressionAttributeValues={":day": {"S": "day"}},
        ScanIndexForward=False,
        PaginationConfig={"MaxItems": MOST_DAYS},
    )
    items = [item for part in answer for item in part["Items"]]
    for item in reversed(items):
        yield {name: take(value) for name, value in item.items()}


def _show(days: Sequence[Day], console: Console) -> None:
    table = Table("day", "photos", "sure", "right, of reviewed", "largest index", "")
    for one in days:
        right, n = one.audited
        largest = max(one.psi.items(), key=lambda pair: pair[1], default=None)
        table.add_row(
            one.day,
            f"{one.photos:,}",
            f"{one.sure:.0%}" if one.sure is not None else "",
            f"{right} of {n}" if n else "",
            f"{largest[1]:.2f} {largest[0].replace('_', ' ')}" if largest else "",
            "\n".join(words for words, _ in one.findings) or one.state,
        )
    console.print(table)


@dataclass(frozen=True)
class _Pictures:
    """Thumbnails by the keys of photos; None where there is none any more."""

    dynamodb: Any
    s3: Any
    table: str
    bucket: str

    def __call__(self, key: str) -> bytes | None:
        answer = self.dynamodb.get_item(
            TableName=self.table,
            Key={"image_key": {"S": key}},
            ProjectionExpression="thumbnail",
        )
        thumbnail = answer.get("Item", {}).get("thumbnail", {}).get("S")
        if thumbnail is None:
            return None
        try:
            content: bytes = self.s3.get_object(Bucket=self.bucket, Key=thumbnail)["Body"].read()
        except ClientError:
            return None  # deleted with its photo, or not written under load
        return content
