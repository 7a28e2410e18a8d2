"""Every environment variable of the function, read once.

PREDICTIONS_TABLE   DynamoDB table of the rows (required)
ENDPOINT_NAME       SageMaker endpoint (required)
QUEUE_URL           queue of S3's messages (required)
BACKFILL_QUEUE_URL  queue of the back-fill's messages (required)
UPLOAD_BUCKET       the stack's own bucket, which holds the thumbnails (required)
MAX_OBJECT_BYTES    larger objects are rejected unread, default 26214400 (25 MiB)
MAX_PIXELS          larger pictures are rejected before they are decoded, default photo_reader's
RETENTION_DAYS      days until a row expires, default 0 = never
ENDPOINT_TIMEOUT_S  read time-out of one InvokeEndpoint, default 20
FIRST_WAIT_S        seconds until a photo's second try, doubled for each one after it, default 5
LONGEST_WAIT_S      what that doubling ends at, default 900

Powertools reads its own: POWERTOOLS_SERVICE_NAME, POWERTOOLS_METRICS_NAMESPACE,
POWERTOOLS_LOG_LEVEL.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from photo_reader import MAX_PIXELS


@dataclass(frozen=True)
class Settings:
    predictions_table: str
    endpoint_name: str
    queue_url: str
    backfill_queue_url: str
    upload_bucket: str
    max_object_bytes: int = 25 * 1024 * 1024
    max_pixels: int = MAX_PIXELS
    retention_days: int = 0
    endpoint_timeout_s: float = 20.0
    first_wait_s: float = 5.0
    longest_wait_s: float = 900.0

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "Settings":
        """Raises ValueError that names the variable and what it should hold."""
        return cls(
            predictions_table=_required(env, "PREDICTIONS_TABLE"),
            endpoint_name=_required(env, "ENDPOINT_NAME"),
            queue_url=_required(env, "QUEUE_URL"),
            backfill_queue_url=_required(env, "BACKFILL_QUEUE_URL"),
            upload_bucket=_required(env, "UPLOAD_BUCKET"),
            max_object_bytes=int(_number(env, "MAX_OBJECT_BYTES", cls.max_object_bytes, least=1)),
            max_pixels=int(_number(env, "MAX_PIXELS", cls.max_pixels, least=1)),
            retention_days=int(_number(env, "RETENTION_DAYS", cls.retention_days, least=0)),
            endpoint_timeout_s=_number(env, "ENDPOINT_TIMEOUT_S", cls.endpoint_timeout_s, least=1),
            first_wait_s=_number(env, "FIRST_WAIT_S", cls.first_wait_s, least=1),
            longest_wait_s=_number(env, "LONGEST_WAIT_S", cls.longest_wait_s, least=1),
        )

    def queue_of(self, queue_arn: str) -> str:
        """The URL of the queue that a batch came from: the one of the back-fill, or of S3."""
        is_backfill = queue_arn.rpartition(":")[2] == self.backfill_queue_url.rpartition("/")[2]
        return self.backfill_queue_url if is_backfill else self.queue_url


def _required(env: Mapping[str, str], name: str) -> str:
    if value := env.get(name, "").strip():
        return value
    raise ValueError(
        f"environment variable {name} is not set: the template gives it to the function"
    )


def _number(env: Mapping[str, str], name: str, default: float, least: float) -> float:
    text = env.get(name, "").strip()
    try:
        value = float(text) if text else float(default)
    except ValueError as error:
        raise ValueError(f"environment variable {name} is not a number: {text!r}") from error
    if not least <= value < float("inf"):
        raise ValueError(f"environment variable {name} must be at least {least:g}: {text!r}")
    return value
