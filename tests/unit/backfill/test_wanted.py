"""From what somebody typed to a job, or to words that help."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from backfill.wanted import Wanted, photos_job, rows_job, served_version
from training.jobs.errors import UsageError

NOW = datetime(2026, 11, 26, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("address", "bucket", "prefix"),
    [
        ("s3://my-photos", "my-photos", ""),
        ("s3://my-photos/", "my-photos", ""),
        ("s3://my-photos/2024/a b", "my-photos", "2024/a b"),
    ],
)
def test_address_is_a_bucket_and_a_prefix(address: str, bucket: str, prefix: str) -> None:
    job = photos_job("j", address, "", NOW)
    assert (job.bucket, job.prefix) == (bucket, prefix)
    assert job.started == "2026-11-26T16:00:00.000000Z"


@pytest.mark.parametrize("address", ["", "my-photos", "s3://", "s3://My_Photos/x", "https://x/y"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(UsageError, match="It looks like FROM=s3://"):
        photos_job("j", address, "", NOW)


def test_window_is_checked_before_anything_is_counted() -> None:
    with pytest.raises(UsageError, match="WINDOW=nights"):
        photos_job("j", "s3://my-photos", "nights", NOW)


def test_days_are_in_utc_and_the_start_of_the_job_is_the_latest() -> None:
    job = rows_job("j", Wanted(since="2026-03-01", before="2027-01-01"), "m2", "", NOW)
    assert job.filter is not None
    assert job.filter.since == "2026-03-01T00:00:00.000000Z"
    assert job.filter.before == "2026-11-26T16:00:00.000000Z"
    assert job.filter.model_version == "m2"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(below="60 %"), "BELOW=60 %"),
        (Wanted(below="6"), "between 0 and 1"),
        (Wanted(since="yesterday"), "SINCE=yesterday"),
        (Wanted(since="2026-05-01", before="2026-04-01"), "is after"),
    ],
)
def test_filter_that_cannot_be_is_told(wanted: Wanted, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        rows_job("j", wanted, "m2", "", NOW)


def test_model_that_serves_is_asked_for_its_version() -> None:
    class Runtime:
        def invoke_endpoint(self, **asked: Any) -> dict[str, Any]:
            assert json.loads(asked["Body"])["instances"][0]["b64"]
            answer = {"model": {"name": "n", "version": "v7"}, "predictions": [{}]}
            return {"Body": io.BytesIO(json.dumps(answer).encode())}

    assert served_version(Runtime(), "e") == "v7"
