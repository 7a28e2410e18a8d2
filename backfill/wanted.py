"""From what somebody typed to a job."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from lister.job import PHOTOS, ROWS, Filter, Job
from lister.window import Window

from operate.smoke import drawn
from training.jobs.deployments import stamp
from training.jobs.errors import CommandError, UsageError

_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)


@dataclass(frozen=True)
class Wanted:
    """Which rows are to be answered again, as it was typed; "" where nothing was."""

    breed: str = ""
    below: str = ""
    since: str = ""
    before: str = ""


def photos_job(name: str, address: str, window: str, now: datetime) -> Job:
    """Raises UsageError."""
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise UsageError(
            f"FROM={address}: which photos? It looks like FROM=s3://my-photos/2024/ "
            "(or FROM=s3://my-photos for all of them)"
        )
    bucket, prefix = found[1], found[2] or ""
    window = _checked(window)
    return Job(name, PHOTOS, bucket=bucket, prefix=prefix, window=window, started=stamp(now))


def rows_job(name: str, wanted: Wanted, model: str, window: str, now: datetime) -> Job:
    """`model`: the version whose answers are new already. Raises UsageError."""
    if wanted.below:
        try:
            is_share = 0 < float(wanted.below) <= 1
        except ValueError:
            is_share = False
        if not is_share:
            raise UsageError(f"BELOW={wanted.below}: a confidence between 0 and 1, such as 0.6")
    since = _moment("SINCE", wanted.since) if wanted.since else ""
    before = _moment("BEFORE", wanted.before) if wanted.before else stamp(now)
    if since > before:
        raise UsageError(f"SINCE={wanted.since} is after BEFORE={wanted.before or 'now'}")
    chosen = Filter(model, min(before, stamp(now)), since, wanted.breed, wanted.below)
    return Job(name, ROWS, filter=chosen, window=_checked(window), started=stamp(now))


def at_pace(job: Job, pace: float) -> Job:
    """Of at most so many photos a second; 0 is as fast as they are answered. Raises UsageError."""
    if not 0 <= pace < float("inf"):
        raise UsageError(f"PACE={pace:g}: photos a second, such as 20")
    return replace(job, pace=pace)


def in_window(job: Job, window: str) -> Job:
    """Sent between these hours only; "" is always. Raises UsageError."""
    return replace(job, window=_checked(window))


def served_version(runtime: Any, endpoint: str) -> str:
    """The version of the model that answers now, by an answer of its. Raises CommandError."""
    photo = base64.b64encode(drawn().content).decode()
    try:
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint,
            ContentType="application/json",
            Body=json.dumps({"instances": [{"b64": photo}]}),
        )
    except ClientError as error:
        raise CommandError(f"The endpoint {endpoint} does not answer: {error}") from error
    return str(json.loads(answer["Body"].read())["model"]["version"])


def _checked(window: str) -> str:
    try:
        return str(Window.parse(window) and window) if window else ""
    except ValueError as error:
        raise UsageError(str(error)) from error


def _moment(name: str, text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{name}={text}: a day such as 2026-03-31, in UTC") from None
    return stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
