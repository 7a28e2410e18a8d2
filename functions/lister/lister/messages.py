"""What is sent: messages of the shape of S3's event notifications, one record each.

The classify function reads them as it reads S3's. Source of the shape: Amazon S3 User Guide, "Event
message structure".
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

SOURCE = "breed-classifier:backfill"


@dataclass(frozen=True)
class Photo:
    """An object to be answered; with `sequencer` and `replaces` a row to be answered again."""

    bucket: str
    key: str
    size: int
    etag: str
    version_id: str = ""
    sequencer: str = ""
    replaces: str = ""


def image_key(bucket: str, key: str, own_bucket: str) -> str:
    """The key of a photo's row: bare for the stack's own bucket, an address for any other."""
    return key if bucket == own_bucket else f"s3://{bucket}/{key}"


def photo_of(image: str, own_bucket: str) -> tuple[str, str]:
    """Bucket and key of a row's photo: the other way round."""
    if not image.startswith("s3://"):
        return own_bucket, image
    bucket, _, key = image.removeprefix("s3://").partition("/")
    return bucket, key


def body(photo: Photo, job: str, region: str, now: datetime) -> str:
    described: dict[str, Any] = {
        "key": quote_plus(photo.key),
        "size": photo.size,
        "eTag": photo.etag,
    }
    backfill = {"job": job}
    if photo.version_id:
        described["versionId"] = photo.version_id
    if photo.sequencer:
        described["sequencer"] = photo.sequencer
        backfill["replaces"] = photo.replaces
    record = {
        "eventVersion": "2.1",
        "eventSource": SOURCE,
        "awsRegion": region,
        "eventTime": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
        "eventName": "Reclassify:Photo" if photo.sequencer else "Backfill:Photo",
        "s3": {"bucket": {"name": photo.bucket}, "object": described},
        "backfill": backfill,
    }
    return json.dumps({"Records": [record]})
