"""What a row of the predictions table holds. Numbers are Decimal: DynamoDB takes no floats.

`now` is in UTC everywhere here.
"""

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from classify.errors import PermanentError
from classify.events import Upload
from classify.images import Photo
from classify.wire import Answer, Prediction

# Readers of the indexes by-day and rejected ask this many partitions a day; see the template.
DAY_SHARDS = 8
MAX_MESSAGE_CHARS = 500

Row = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """What matters of a row that is there already; "" where it has no such attribute."""

    sequencer: str = ""
    version_id: str = ""
    etag: str = ""
    archived: bool = False


def answered_row(
    upload: Upload, photo: Photo, prediction: Prediction, answer: Answer, now: datetime
) -> Row:
    row = _common(upload, now) | {
        "status": "NO_DOG" if prediction.breed is None else "CLASSIFIED",
        "confidence": _decimal(prediction.confidence),
        "top": [{"label": name, "probability": _decimal(share)} for name, share in prediction.top],
        "model_version": answer.model_version,
        "width": photo.width,
        "height": photo.height,
    }
    if prediction.breed is not None:
        row["breed"] = prediction.breed
    if prediction.dog_probability is not None:
        row["dog_probability"] = _decimal(prediction.dog_probability)
    if answer.variant:
        row["variant"] = answer.variant
    return row


def rejected_row(upload: Upload, fault: PermanentError, now: datetime) -> Row:
    message = fault.message
    if len(message) > MAX_MESSAGE_CHARS:
        message = message[: MAX_MESSAGE_CHARS - 1] + "…"
    row = _common(upload, now)
    return row | {
        "status": "REJECTED",
        "reason": {"code": str(fault.code), "message": message},
        # The key of a sparse index: only rejected rows have it.
        "rejected_on": row["day_shard"],
    }


def with_expiry(row: Row, now: datetime, retention_days: int) -> Row:
    """`expires_at` is DynamoDB's TTL attribute, in epoch seconds; 0 days = the row stays."""
    if not retention_days:
        return row
    return row | {"expires_at": int((now + timedelta(days=retention_days)).timestamp())}


def _common(upload: Upload, now: datetime) -> Row:
    row: Row = {
        "image_key": upload.key,
        "sequencer": upload.sequencer,
        "classified_at": f"{now:%Y-%m-%dT%H:%M:%S.%fZ}",
        "day_shard": f"{now:%Y-%m-%d}#{zlib.crc32(upload.key.encode()) % DAY_SHARDS}",
    }
    if upload.version_id:
        row["version_id"] = upload.version_id
    if upload.etag:
        row["etag"] = upload.etag
    if upload.size_bytes is not None:
        row["size_bytes"] = upload.size_bytes
    if upload.created_at:
        # From the moment S3 had the object to the answer: waiting in the queue included.
        row["latency_ms"] = max(0, round((now - upload.created_at) / timedelta(milliseconds=1)))
    return row


def _decimal(value: float) -> Decimal:
    return Decimal(f"{value:.6f}").normalize()
