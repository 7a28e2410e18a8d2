"""Rows as the API shows them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from api.identifiers import id_of
from api.reviewing import said_now, shown_review, version_of
from api.signing import Signer, window_of

Row = dict[str, Any]
Shown = dict[str, Any]

# From the start of a half hour: at its end they are good for half an hour more.
THUMBNAIL_VALID_S = 3600
PHOTO_VALID = timedelta(minutes=5)
_AS_THEY_ARE = (
    "status",
    "classified_at",
    "reclassified_at",
    "deleted_at",
    "breed",
    "confidence",
    "top",
    "dog_probability",
    "novelty",
    "model_version",
    "width",
    "height",
    "size_bytes",
    "latency_ms",
    "reason",
    "sample",
)


def plain(value: Any) -> Any:
    """For json.dumps: Decimals as int or float."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"answers hold no {type(value).__name__}")


def prediction(row: Row) -> Shown:
    """Without addresses that end."""
    identifier = id_of(row["image_key"])
    here = f"predictions/{identifier}"
    links = {"self": here}
    if row["status"] != "DELETED":
        links["photo"] = f"{here}/photo"
        if "thumbnail" in row:
            links["thumbnail"] = f"{here}/thumbnail"
    shown: Shown = {"key": row["image_key"], "id": identifier, "version": version_of(row)}
    shown |= {name: row[name] for name in _AS_THEY_ARE if name in row}
    if standing := row.get("review"):
        shown["review"] = shown_review(said_now(row, standing))
    return shown | {"links": links}


def with_thumbnail(row: Row, signer: Signer, now: datetime) -> Shown:
    """`thumbnail_url` is the same for every request of a half hour."""
    shown = prediction(row)
    if address := thumbnail_address(row, signer, now):
        shown["thumbnail_url"] = address
    return shown


def thumbnail_address(row: Row, signer: Signer, now: datetime) -> str | None:
    if row["status"] == "DELETED" or "thumbnail" not in row:
        return None
    return signer.address(row["thumbnail"], window_of(now), THUMBNAIL_VALID_S)


def photo_address(row: Row, signer: Signer, now: datetime) -> str | None:
    """The version that was answered. As a download: HTML that somebody uploaded must not open."""
    bucket, key = place_of(row["image_key"])
    if row["status"] == "DELETED" or not signer.may_read(bucket):
        return None
    name = quote(row["image_key"].rpartition("/")[2], safe="")
    parameters = {"response-content-disposition": f"attachment; filename*=UTF-8''{name}"}
    if "version_id" in row:
        parameters["versionId"] = row["version_id"]
    valid_s = int(PHOTO_VALID.total_seconds())
    return signer.address(key, now, valid_s, parameters, bucket)


def place_of(image_key: str) -> tuple[str, str]:
    """Bucket and key of a photo; "" for the stack's own bucket."""
    bucket, _, key = image_key.removeprefix("s3://").partition("/")
    return (bucket, key) if image_key.startswith("s3://") else ("", image_key)


Address = Callable[[Row, Signer, datetime], str | None]
