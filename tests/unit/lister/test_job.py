"""A job as it comes from JSON: what it is at first, how it travels, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from lister.errors import RefusedError
from lister.job import PHOTOS, ROWS, Counts, Filter, Job

FILTER = {"model_version": "m2", "before": "2026-11-26T00:00:00.000000Z", "breed": "Pug"}


def test_new_job_takes_a_turn_at_once_and_as_fast_as_it_may() -> None:
    job = Job.from_json({"job": "j", "kind": PHOTOS, "bucket": "b"})
    assert (job.next, job.wait_s, job.waits_for) == ("turn", 0, "")
    assert (job.pace, job.part, job.turns, job.expected) == (0, 1, 0, 0)
    assert (job.place, job.counts, job.hours) == (None, Counts(), None)


@pytest.mark.parametrize(
    "job",
    [
        Job("j", PHOTOS, bucket="b", place={"after": "ü/ \n"}, window="02:00-06:00 UTC"),
        Job("j", ROWS, filter=Filter(**FILTER), counts=Counts(5, 1, 3, 1, 1), part=2, pace=0.5),
    ],
)
def test_job_travels_as_it_is(job: Job) -> None:
    assert Job.from_json(job.to_json() | {"started_by": "somebody"}) == job


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (["j"], "no job"),
        ({"kind": "photos", "bucket": "b"}, "job"),
        ({"job": "j", "kind": "songs"}, "songs"),
        ({"job": "j", "kind": "photos"}, "neither which bucket"),
        ({"job": "j", "kind": "photos", "filter": FILTER}, "neither which bucket"),
        ({"job": "j", "kind": "photos", "bucket": "b", "pace": -1}, "its pace"),
        ({"job": "j", "kind": "photos", "bucket": "b", "counts": {"lost": 2}}, "lost"),
        ({"job": "j", "kind": "rows"}, "neither which bucket"),
        ({"job": "j", "kind": "rows", "bucket": "b"}, "neither which bucket"),
        ({"job": "j", "kind": "rows", "filter": {"colour": "red"}}, "colour"),
    ],
)
def test_what_is_no_job_is_refused(content: Any, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        Job.from_json(content)
