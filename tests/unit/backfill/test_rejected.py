"""The report of what a job's photos were rejected for, over a table as the template makes it."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from lister.job import PHOTOS, Job
from moto import mock_aws
from rich.console import Console

from backfill import rejected
from tests.unit.template.cloudformation import table_of, template

JOB = Job("photos-1", PHOTOS, bucket="b", started="2026-10-31T23:00:00.000000Z")


def row(key: str, at: str, code: str = "NOT_AN_IMAGE", job: str = JOB.job) -> dict[str, Any]:
    return {
        "image_key": key,
        "status_month": f"REJECTED#{at[:7]}#{len(key) % 4}",
        "classified_at": at,
        "reason": {"code": code, "message": "[no] picture"},
        "backfill": job,
    }


def told(*rows: dict[str, Any], folder: Path) -> tuple[int, str]:
    """How many were reported, and what was printed."""
    with mock_aws():
        table = boto3.resource("dynamodb", "us-east-1").create_table(
            TableName="rows", **table_of(template(), "PredictionsTable")
        )
        for each in rows:
            table.put_item(Item=each)
        console = Console(record=True, width=200)
        lane: Any = SimpleNamespace(table="rows")
        count = rejected.report(
            lambda name: boto3.client(name, "us-east-1"), lane, JOB, folder, console
        )
    return count, console.export_text()


def test_photos_of_every_month_of_the_job_are_told_by_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    rows = [
        row("a", "2026-10-31T23:30:00.000000Z"),
        row("bb", "2026-11-01T00:10:00.000000Z"),
        row("ccc", "2026-11-02T00:00:00.000000Z", code="ARCHIVED"),
        # Of before the job, and of another one.
        row("early", "2026-10-31T22:00:00.000000Z"),
        row("other", "2026-11-01T01:00:00.000000Z", job="photos-2"),
    ]
    count, printed = told(*rows, folder=tmp_path)
    assert count == 3
    assert "[no] picture" in printed
    with (tmp_path / "rejected.csv").open(encoding="utf-8") as file:
        lines = [(line["image_key"], line["code"]) for line in csv.DictReader(file)]
    assert sorted(lines) == [("a", "NOT_AN_IMAGE"), ("bb", "NOT_AN_IMAGE"), ("ccc", "ARCHIVED")]


def test_nothing_rejected_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    count, _ = told(folder=tmp_path)
    assert count == 0
    assert list(tmp_path.iterdir()) == []
