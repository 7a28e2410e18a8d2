"""What a job does, in a sentence for whoever looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lister.job import PHOTOS, Counts, Job
from rich.console import Console

from backfill import follow
from backfill.follow import Queue, words
from backfill.jobs import Run, State

NOW = datetime(2026, 11, 26, 20, 30, tzinfo=UTC)
JOB = Job("photos-1", PHOTOS, bucket="b", counts=Counts(9, 2, 7, 1))


@pytest.mark.parametrize(
    ("state", "job", "waiting", "said"),
    [
        ("running", {}, 7, "lists and sends"),
        ("running", {"waits_for": "queue"}, 7, "sends as fast as photos are answered"),
        ("running", {"waits_for": "pace", "pace": 20.0}, 7, "sends 20 photos a second"),
        (
            "running",
            {"waits_for": "window", "window": "02:00-06:00"},
            0,
            "waits for its window, 02:00-06:00: in 5 h 30 min",
        ),
        ("finished", {}, 3, "all sent, 3 not answered yet"),
        ("finished", {}, 0, "done"),
        ("stopped", {}, 3, "stopped; 3 that were sent are still answered. RESUME=1 goes on."),
        ("stopped", {}, 0, "stopped. RESUME=1 goes on."),
        ("failed", {}, 0, "failed: no permission. RESUME=1 goes on once that is mended."),
    ],
)
def test_every_state_has_its_words(
    state: State, job: dict[str, Any], waiting: int, said: str
) -> None:
    run = Run(replace(JOB, **job), state, "arn", "no permission" if state == "failed" else "")
    assert words(run, Queue(waiting, 0), NOW) == said


def test_queue_counts_what_waits_and_what_is_worked_on() -> None:
    class Sqs:
        def get_queue_attributes(self, **asked: Any) -> dict[str, Any]:
            return {"Attributes": dict.fromkeys(asked["AttributeNames"], "4")}

    assert follow.queue(Sqs(), "url") == Queue(4, 4)
    assert Queue(4, 4).all == 8


class Sqs:
    """A queue on AWS with these counts, one look after the other."""

    meta = SimpleNamespace(endpoint_url="https://sqs.eu-west-1.amazonaws.com")

    def __init__(self, *counts: int) -> None:
        self.counts = list(counts)

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        count = self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]
        return {
            "Attributes": {
                "ApproximateNumberOfMessages": str(count),
                "ApproximateNumberOfMessagesNotVisible": "0",
            }
        }


def test_bar_does_not_end_at_a_count_that_is_not_certain_yet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = [NOW]

    class Clock:
        @staticmethod
        def now(_: Any) -> datetime:
            return clock[0]

    def sleep(seconds: float) -> None:
        clock[0] += timedelta(seconds=20)

    sqs = Sqs(0, 0, 40, 12, 0)
    run = Run(JOB, "finished", "arn", ended=NOW)
    monkeypatch.setattr(follow, "datetime", Clock)
    monkeypatch.setattr(follow.time, "sleep", sleep)
    monkeypatch.setattr(follow.jobs, "find", lambda *_: run)
    clients = {"sqs": sqs, "stepfunctions": None}.__getitem__
    lane: Any = SimpleNamespace(queue_url="url")
    with (tmp_path / "out").open("w") as out:
        assert follow.follow(clients, lane, "m", run, Console(file=out)) is run
    assert sqs.counts == [0]
    assert clock[0] >= NOW + follow.SETTLED_AFTER


def test_count_is_certain_a_minute_later_and_at_once_on_this_machine() -> None:
    ended = datetime.now(UTC)
    just, before = (Run(JOB, "finished", "a", ended=ended - ago) for ago in
                    (timedelta(0), 2 * follow.SETTLED_AFTER))  # fmt: skip
    assert not follow.is_settled(lambda _: Sqs(0), just)
    assert words(just, Queue(0, 0), NOW, settled=False) == (
        "all sent; in a minute the queue's count is certain"
    )
    assert follow.is_settled(lambda _: Sqs(0), before)
    local = Sqs(0)
    local.meta = SimpleNamespace(endpoint_url="http://127.0.0.1:4566")
    assert follow.is_settled(lambda _: local, just)
    nothing = replace(just, job=replace(JOB, counts=Counts()))
    assert follow.is_settled(lambda _: Sqs(0), nothing)


def test_keys_are_printed_as_they_are() -> None:
    console = Console(width=200, record=True)
    job = replace(JOB, prefix="scans[draft]/[/old]")
    follow.show(Run(job, "failed", "a", "[/x]"), Queue(0, 0), Queue(0, 0), True, console)
    text = console.export_text()
    assert "s3://b/scans[draft]/[/old]" in text
    assert "failed: [/x]" in text
