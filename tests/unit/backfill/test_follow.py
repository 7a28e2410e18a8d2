"""What a job does, in a sentence for whoever looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from lister.job import PHOTOS, Counts, Job

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
