"""What a row of the predictions table holds. Numbers are Decimal: DynamoDB takes no floats.

`now` is in UTC everywhere here.
"""

import hashlib
import zlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from classify.errors import PermanentError
from classify.events import Upload
from classify.images import Photo
from classify.outcomes import OutcomeKind
from classify.wire import Answer, Prediction

# Readers of a list ask this many partitions a month; see the template's indexes.
MONTH_SHARDS = 4
# One photo in so many is in the random sample, by which accuracy is told.
SAMPLED_ONE_IN = 20
MAX_MESSAGE_CHARS = 500
# Below a prefix that triggers nothing.
THUMBNAILS = "thumbnails/"

Row = dict[str, Any]


@dataclass(frozen=True)
class Earlier:
    """The answer that a row holds, for the one that is to take its place; "" where it has none."""

    status: str = ""
    model_version: str = ""
    breed: str = ""
    confidence: Decimal | None = None
    classified_at: str = ""
    # The newest entry of the reviews' history, and whether a review stands.
    last_review: str = ""
    reviewed: bool = False
    # How often the version was answered, and the job that had it answered last.
    answered: int = 1
    reclassified_by: str = ""


@dataclass(frozen=True)
class Known:
    """What matters of a row that is there already; "" where it has no such attribute."""

    sequencer: str = ""
    version_id: str = ""
    etag: str = ""
    thumbnail: str = ""
    # The newest event that left the row as it is.
    seen_sequencer: str = ""
    archived: bool = False
    deleted: bool = False
    answer: Earlier = Earlier()

    def is_of(self, version_id: str, etag: str) -> bool:
        """Whether the row is of this version. A back-fill's names none: there the ETag tells."""
        if self.version_id or not version_id:
            return version_id == self.version_id
        return bool(etag) and etag == self.etag


@dataclass(frozen=True)
class Written:
    """Whether a row was taken; `other` is the one that it replaced, or that stands in its way."""

    done: bool
    other: Known = Known()


def status_of(prediction: Prediction) -> OutcomeKind:
    """CLASSIFIED, UNKNOWN_BREED or NO_DOG."""
    if prediction.breed is None:
        return OutcomeKind.NO_DOG
    return OutcomeKind.UNKNOWN_BREED if prediction.unknown else OutcomeKind.CLASSIFIED


def answered_row(
    upload: Upload, photo: Photo, prediction: Prediction, answer: Answer, now: datetime
) -> Row:
    status = status_of(prediction)
    row = _common(upload, now) | {
        "status": str(status),
        "confidence": _decimal(prediction.confidence),
        "top": [{"label": name, "probability": _decimal(share)} for name, share in prediction.top],
        "model_version": answer.model_version,
        "width": photo.width,
        "height": photo.height,
    }
    if photo.look is not None:
        row["look"] = {name: _decimal(value) for name, value in asdict(photo.look).items()}
    if status is OutcomeKind.CLASSIFIED:
        row["breed"] = prediction.breed
    else:
        row["status_month"] = f"{status}#{row['month_shard']}"
    if prediction.breed is not None and prediction.novelty is not None:
        row["novelty"] = _decimal(prediction.novelty)
    if prediction.dog_probability is not None:
        row["dog_probability"] = _decimal(prediction.dog_probability)
    if answer.variant:
        row["variant"] = answer.variant
    digest = hashlib.sha256(f"{upload.sequencer} {upload.image_key}".encode()).hexdigest()
    sampled = _is_sampled(digest)
    if sampled:
        # In an order of no meaning: the least sure of a sample are none.
        row |= {"sample": True, "sample_key": f"open#{now:%Y-%m}", "sample_order": digest[16:32]}
    shard = row["month_shard"]
    if sampled:
        shard = f"{now:%Y-%m}#sample"
    elif status is OutcomeKind.UNKNOWN_BREED:
        # Among the others their confidence would hide them: it is that of the nearest breed.
        shard = f"{now:%Y-%m}#unknown"
    # A review turns "open" into "done".
    return row | {
        "confidence_key": f"open#{shard}",
        "thumbnail": thumbnail_key(upload.image_key, upload.sequencer),
    }


def answered_again_row(
    upload: Upload,
    photo: Photo,
    prediction: Prediction,
    answer: Answer,
    known: Known,
    now: datetime,
) -> Row:
    """In the lists it keeps its place, which is by the time of the first answer."""
    earlier = known.answer
    row = answered_row(
        upload, photo, prediction, answer, datetime.fromisoformat(earlier.classified_at)
    )
    for fact in ("version_id", "etag", "size_bytes", "backfill"):
        row.pop(fact, None)  # the row has them from its event, where it has them
    if earlier.reviewed:
        row["confidence_key"] = "done#" + row["confidence_key"].removeprefix("open#")
        row.pop("sample_key", None)
    return row | {
        "reclassified_at": _text(now),
        "reclassified_by": upload.job,
        "answered": earlier.answered + 1,
        "previous": answer_of(earlier),
    }


def answer_of(earlier: Earlier) -> Row:
    """What a model said, without its details."""
    said: Row = {"status": earlier.status}
    if earlier.model_version:
        said["model_version"] = earlier.model_version
    if earlier.breed:
        said["breed"] = earlier.breed
    if earlier.confidence is not None:
        said["confidence"] = earlier.confidence
    return said


def rejected_row(upload: Upload, fault: PermanentError, now: datetime) -> Row:
    message = fault.message
    if len(message) > MAX_MESSAGE_CHARS:
        message = message[: MAX_MESSAGE_CHARS - 1] + "…"
    row = _common(upload, now)
    return row | {
        "status": "REJECTED",
        "reason": {"code": str(fault.code), "message": message},
        "status_month": f"REJECTED#{row['month_shard']}",
    }


def deleted_row(removal: Upload, now: datetime) -> Row:
    """Without any index's key: it is in no list."""
    row: Row = {
        "image_key": removal.image_key,
        "sequencer": removal.sequencer,
        "status": "DELETED",
        "deleted_at": _text(removal.happened_at or now),
    }
    if removal.version_id:
        row["version_id"] = removal.version_id
    return row


def thumbnails_of(image_key: str) -> str:
    """The prefix of all thumbnails of a key. Hashed: a key may be as long as S3 allows."""
    return f"{THUMBNAILS}{hashlib.sha256(image_key.encode()).hexdigest()[:32]}/"


def thumbnail_key(image_key: str, sequencer: str) -> str:
    """In the order of sequencers, as text."""
    return f"{thumbnails_of(image_key)}{sequencer}.jpg"


def with_expiry(row: Row, now: datetime, retention_days: int) -> Row:
    """`expires_at` is DynamoDB's TTL attribute, in epoch seconds; 0 days = the row stays."""
    if not retention_days:
        return row
    return row | {"expires_at": int((now + timedelta(days=retention_days)).timestamp())}


def _common(upload: Upload, now: datetime) -> Row:
    row: Row = {
        "image_key": upload.image_key,
        "sequencer": upload.sequencer,
        "classified_at": _text(now),
        "month_shard": f"{now:%Y-%m}#{zlib.crc32(upload.image_key.encode()) % MONTH_SHARDS}",
    }
    if upload.job:
        row["backfill"] = upload.job
    if upload.version_id:
        row["version_id"] = upload.version_id
    if upload.etag:
        row["etag"] = upload.etag
    if upload.size_bytes is not None:
        row["size_bytes"] = upload.size_bytes
    if upload.happened_at:
        # From the moment S3 had the object to the answer: waiting in the queue included.
        row["latency_ms"] = max(0, round((now - upload.happened_at) / timedelta(milliseconds=1)))
    return row


def _is_sampled(digest: str) -> bool:
    """By chance, but the same for every delivery; of another hash than the shards."""
    return int(digest[:16], 16) % SAMPLED_ONE_IN == 0


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _decimal(value: float) -> Decimal:
    return Decimal(f"{value:.6f}").normalize()
