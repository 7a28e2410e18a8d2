"""Rows of the predictions table as the classify function writes them, for whoever reads them."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

from classify.errors import PermanentError, Reason
from classify.events import Upload
from classify.images import Photo
from classify.rows import (
    Earlier,
    Known,
    answered_again_row,
    answered_row,
    deleted_row,
    rejected_row,
)
from classify.table import known_rows, replace_answer
from classify.wire import Answer, Prediction

Json = dict[str, Any]
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
TOP = (("Pug", 0.7), ("Boxer", 0.2), ("Beagle", 0.1))


def make_row(
    key: str = "uploads/rex.jpg",
    breed: str | None = "Pug",
    confidence: float = 0.7,
    at: datetime = NOW - timedelta(hours=1),
    sequencer: str = "0A",
    sample: bool | None = False,
    model_version: str = "sha256:abc",
    novelty: float | None = None,
    unknown: bool = False,
) -> Json:
    """As the classify function writes it. `sample` None: as chance has it.

    `unknown`: of an unknown breed, `breed` is the nearest one.
    """
    upload = Upload("photos", key, sequencer, version_id="v1", etag="e", size_bytes=9)
    top = ((breed or "Pug", confidence), *TOP[1:])
    if unknown and novelty is None:
        novelty = 0.99
    prediction = Prediction(breed, confidence, top, 0.9, novelty, unknown)
    answer = Answer((prediction,), model_version, "AllTraffic")
    row = answered_row(upload, Photo(b"", 640, 480), prediction, answer, at)
    if sample is None:
        return row
    for name in ("sample", "sample_key", "sample_order"):
        row.pop(name, None)
    month = row["month_shard"][:7]
    shard = f"{month}#unknown" if unknown else row["month_shard"]
    row["confidence_key"] = f"open#{month}#sample" if sample else f"open#{shard}"
    if sample:
        order = f"{zlib.crc32(key.encode()):016x}"
        row |= {"sample": True, "sample_key": f"open#{month}", "sample_order": order}
    return row


def answer_again(
    dynamodb: Any,
    key: str,
    breed: str | None,
    model: str = "sha256:def",
    table: str = "predictions",
) -> None:
    """As the classify function does it for a back-fill. `breed`: see make_answered_again."""
    known = known_rows(dynamodb, table, [key])[key]
    assert replace_answer(dynamodb, table, _answered_again(known, key, breed, model), known).done


def make_answered_again(row: Json, breed: str | None, model: str) -> Json:
    """What the answer of another model changes. `breed` "unknown": none that it knows."""
    earlier = Earlier(
        row["status"], row["model_version"], row.get("breed", ""), row["confidence"],
        row["classified_at"], row.get("last_review", ""), "review" in row, row.get("answered", 1),
    )  # fmt: skip
    known = Known(row["sequencer"], answer=earlier)
    return _answered_again(known, row["image_key"], breed, model)


def _answered_again(known: Known, key: str, breed: str | None, model: str) -> Json:
    unknown = breed == "unknown"
    label = "Pug" if unknown else breed
    # Each model by a job of its own, which has a row answered once.
    upload = Upload("photos", key, known.sequencer, again=True, job=f"for {model}")
    top = ((label or "Pug", 0.6), *TOP[1:])
    prediction = Prediction(label, 0.6, top, 0.9, 0.99 if unknown else None, unknown)
    answer = Answer((prediction,), model, "AllTraffic")
    return answered_again_row(upload, Photo(b"", 640, 480), prediction, answer, known, NOW)


def make_rejected(
    key: str = "uploads/words.txt", at: datetime = NOW, sequencer: str = "0A"
) -> Json:
    upload = Upload("photos", key, sequencer, size_bytes=9)
    return rejected_row(upload, PermanentError(Reason.NOT_AN_IMAGE, "This is text."), at)


def make_deleted(key: str = "uploads/rex.jpg", sequencer: str = "0B") -> Json:
    return deleted_row(Upload("photos", key, sequencer, removed=True), NOW)
