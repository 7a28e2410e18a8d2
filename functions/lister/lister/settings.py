"""Every environment variable of the function, read once.

PREDICTIONS_TABLE   DynamoDB table of the rows (required)
QUEUE_URL           the back-fill's queue (required)
BUCKET              the stack's own bucket, whose photos are rows by their bare key (required)
SOURCE_BUCKET       another bucket that the stack may read, default none
AWS_REGION          Lambda's own (required)
PAGE_SIZE           objects or rows of one read, and messages that end a turn, default 1000
MOST_WAITING        messages in the queue above which nothing is sent, default 3000
WAIT_S              seconds until the queue is looked at again, default 6
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

MAX_PAGE = 1000  # ListObjectsV2's limit


@dataclass(frozen=True)
class Settings:
    predictions_table: str
    queue_url: str
    bucket: str
    region: str
    source_bucket: str = ""
    page_size: int = MAX_PAGE
    most_waiting: int = 3000
    wait_s: int = 6

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "Settings":
        """Raises ValueError that names the variable and what it should hold."""
        return cls(
            predictions_table=_required(env, "PREDICTIONS_TABLE"),
            queue_url=_required(env, "QUEUE_URL"),
            bucket=_required(env, "BUCKET"),
            region=_required(env, "AWS_REGION"),
            source_bucket=env.get("SOURCE_BUCKET", "").strip(),
            page_size=_number(env, "PAGE_SIZE", cls.page_size, most=MAX_PAGE),
            most_waiting=_number(env, "MOST_WAITING", cls.most_waiting),
            wait_s=_number(env, "WAIT_S", cls.wait_s),
        )


def _required(env: Mapping[str, str], name: str) -> str:
    if value := env.get(name, "").strip():
        return value
    raise ValueError(
        f"environment variable {name} is not set: backfill/template.yaml gives it to the function"
    )


def _number(env: Mapping[str, str], name: str, default: int, most: int = 1_000_000) -> int:
    text = env.get(name, "").strip()
    try:
        value = int(text) if text else default
    except ValueError as error:
        raise ValueError(f"environment variable {name} is not a number: {text!r}") from error
    if not 1 <= value <= most:
        raise ValueError(f"environment variable {name} must be 1 to {most}: {text!r}")
    return value
