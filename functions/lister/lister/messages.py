"""What is sent: messages of the shape of S3's event notifications, one record each.

The classify function reads them as it reads S3's. Source of the shape: Amazon S3 User Guide, "Event
message structure".
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

SOURCE = "breed-classifier:backfill"
CREATED, AGAIN = "ObjectCreated:Backfill", "Reclassify:Photo"
RESTORED = "ObjectRestore:Completed"


@dataclass(frozen=True)
class Photo:
    """An object to be answered; with `replaces`, a model's version, a row to be answered again.

    `restored`: its row says ARCHIVED, and it can be read by now.
    """

    bucket: str
    key: str
    size: int
    etag: str
    sequencer: str
    version_id: str = ""
    replaces: str | None = None
    restored: bool = False


def image_key(bucket: str, key: str, own_bucket: str) -> str:
    """The key of a photo's row: bare for the stack's own bucket, an address for any other."""
    return key if bucket == own_bucket else f"s3://{bucket}/{key}"


def photo_of(image: str, own_bucket: str) -> tuple[str, str]:
    """Bucket and key of a row's photo: the other way round."""
    if not image.startswith("s3://"):
        return own_bucket, image
    bucket, _, key = image.removeprefix("s3://").partition("/")
    return bucket, key


def sequencer_of(modified: datetime, etag: str) -> str:
    """Of an object that no event tells of: older than S3's own, in the order of its versions.

    32 hex digits: 8 zeros, which none of S3's begins with, 12 of the milliseconds since 1970, and
    12 of a hash that tells versions of the same moment apart. Every back-fill computes the same.
    """
    milliseconds = round(modified.timestamp() * 1000)
    digest = hashlib.sha256(etag.encode()).hexdigest()[:12]
    return f"{0:08X}{milliseconds:012X}{digest.upper()}"


def body(photo: Photo, job: str, region: str, now: datetime) -> str:
    described: dict[str, Any] = {
        "key": quote_plus(photo.key),
        "size": photo.size,
        "eTag": photo.etag,
        "sequencer": photo.sequencer,
    }
    backfill = {"job": job}
    if photo.version_id:
        described["versionId"] = photo.version_id
    if photo.replaces is not None:
        backfill["replaces"] = photo.replaces
    record = {
        "eventVersion": "2.1",
        "eventSource": SOURCE,
        "awsRegion": region,
        "eventTime": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
        "eventName": _event(photo),
        "s3": {"bucket": {"name": photo.bucket}, "object": described},
        "backfill": backfill,
    }
    return json.dumps({"Records": [record]})


def _event(photo: Photo) -> str:
    if photo.replaces is not None:
        return AGAIN
    return RESTORED if photo.restored else CREATED
