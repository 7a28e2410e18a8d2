"""What programs rely on is what the code writes and reads."""

import json
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from classify.errors import PermanentError
from classify.errors import Reason as RowReason
from classify.events import Upload
from classify.images import Photo
from classify.rows import (
    Earlier,
    Known,
    answered_again_row,
    answered_row,
    deleted_row,
    rejected_row,
    with_expiry,
)
from classify.wire import read_answer, request_body

from serving.images import ImageError
from serving.model import Prediction
from serving.package import Manifest
from serving.preprocess import PreprocessSpec
from serving.wire import error_json, outcome_json, read_instances
from tests.schemas import FOLDER, check, schema

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
UPLOAD = Upload("uploads-bucket", "uploads/a.jpg", "00AF", version_id="v1", etag="e", size_bytes=9)
TOP = (("Pug", 0.75), ("Beagle", 0.25))


def answer(*outcomes: Prediction | ImageError) -> dict[str, Any]:
    return {
        "model": {"name": "dogs", "version": "0123456789ab"},
        "predictions": [outcome_json(outcome) for outcome in outcomes],
    }


def prediction(label: str | None, dog: float | None = None) -> Prediction:
    return Prediction(label=label, confidence=0.75, top=TOP, dog_probability=dog)


@pytest.mark.parametrize("label", ["Pug", None])
@pytest.mark.parametrize("dog", [0.5, None])
@pytest.mark.parametrize("days", [0, 30])
def test_answered_rows_are_what_the_schema_says(
    label: str | None, dog: float | None, days: int
) -> None:
    body = json.dumps(answer(prediction(label, dog))).encode()
    read = read_answer(body, 1, "AllTraffic")
    (one,) = read.predictions
    for upload in (replace(UPLOAD, sequencer=f"{n:032X}") for n in range(40)):  # in the sample too
        row = answered_row(upload, Photo(b"", 640, 480), one, read, NOW)  # type: ignore[arg-type]
        check("row", with_expiry(row, NOW, days))


@pytest.mark.parametrize("unknown", [True, None])
def test_rows_and_answers_with_a_novelty_are_what_the_schemas_say(unknown: bool | None) -> None:
    item = outcome_json(prediction("Pug")) | {"novelty": 0.5}
    if unknown:
        item["unknown"] = True
    body = answer(prediction("Pug")) | {"predictions": [item]}
    check("answer", body)
    read = read_answer(json.dumps(body).encode(), 1, "")
    (one,) = read.predictions
    for upload in (replace(UPLOAD, sequencer=f"{n:032X}") for n in range(40)):  # in the sample too
        row = answered_row(upload, Photo(b"", 640, 480), one, read, NOW)  # type: ignore[arg-type]
        check("row", row)
        assert row["status"] == ("UNKNOWN_BREED" if unknown else "CLASSIFIED")
        with pytest.raises(AssertionError):
            check("row", row | {"novelty": 2})
    del item["novelty"]
    if unknown:
        with pytest.raises(AssertionError):
            check("answer", body)


@pytest.mark.parametrize("days", [0, 30])
@pytest.mark.parametrize("version_id", ["marker", None])
def test_deleted_rows_are_what_the_schema_says(version_id: str | None, days: int) -> None:
    removal = replace(UPLOAD, removed=True, version_id=version_id)
    row = deleted_row(removal, NOW)
    check("row", with_expiry(row, NOW, days))
    with pytest.raises(AssertionError):
        check("row", row | {"month_shard": "2026-11#0"})


def test_reviewed_rows_and_rows_that_outlived_an_event_are_what_the_schema_says() -> None:
    read = read_answer(json.dumps(answer(prediction("Pug"))).encode(), 1, "")
    (one,) = read.predictions
    row = answered_row(UPLOAD, Photo(b"", 640, 480), one, read, NOW)  # type: ignore[arg-type]
    review = {"id": "1", "verdict": "WRONG_BREED", "breed": "Boxer", "by": "ada", "at": "now"}
    said = {"review": review, "reviewed_in": "2026-11", "reviewed_at": row["classified_at"]}
    check("row", row | said | {"confidence_key": "done#2026-11#0", "seen_sequencer": "FF"})
    with pytest.raises(AssertionError):
        check("row", row | {"review": review | {"verdict": "PERHAPS"}})


@pytest.mark.parametrize("label", ["Pug", None])
def test_rows_that_are_answered_again_are_what_the_schema_says(label: str | None) -> None:
    read = read_answer(json.dumps(answer(prediction(label))).encode(), 1, "")
    (one,) = read.predictions
    known = Known(answer=Earlier("CLASSIFIED", "one", "Boxer", Decimal("0.5"), f"{NOW:%FT%TZ}"))
    upload = replace(UPLOAD, again=True, job="r1")
    row = answered_again_row(upload, Photo(b"", 640, 480), one, read, known, NOW)  # type: ignore[arg-type]
    check("row", row)
    review = {"id": "1", "verdict": "RIGHT", "by": "ada", "at": "now", "answer": row["previous"]}
    check("row", row | {"review": review})
    with pytest.raises(AssertionError):
        check("row", row | {"answered": 1})


@pytest.mark.parametrize("code", RowReason)
def test_rejected_rows_are_what_the_schema_says(code: RowReason) -> None:
    check("row", rejected_row(UPLOAD, PermanentError(code, "words " * 200), NOW))


def test_schema_of_rows_knows_every_reason_and_no_other() -> None:
    rejected = next(one for one in schema("row")["oneOf"] if one["title"] == "REJECTED")
    assert rejected["properties"]["reason"]["properties"]["code"]["enum"] == sorted(RowReason)


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": 1.5}, {"top": []}, {"breed": ""}, {"status": "UNKNOWN"}, {"surprise": 1},
        {"classified_at": "2026-11-25 12:00"}, {"month_shard": "2026-11#4"},
        {"confidence_key": "open"}, {"thumbnail": "uploads/a.jpg"}, {"width": 0},
    ],
    ids=str,
)  # fmt: skip
def test_schema_of_rows_notices_what_is_wrong(wrong: dict[str, Any]) -> None:
    read = read_answer(json.dumps(answer(prediction("Pug"))).encode(), 1, "")
    (one,) = read.predictions
    row = answered_row(UPLOAD, Photo(b"", 640, 480), one, read, NOW)  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        check("row", row | wrong)


def test_function_sends_and_endpoint_reads_the_request_of_the_schema() -> None:
    body = request_body([b"one", b"two"])
    check("request", json.loads(body))
    assert len(read_instances(body, limit=2)) == 2


def test_endpoints_answers_are_what_the_schema_says() -> None:
    outcomes = (prediction("Pug"), prediction(None, 0.1), ImageError("CORRUPT", "no picture"))
    check("answer", answer(*outcomes))
    check("answer", error_json("OVERLOADED", "try again"))


def test_manifest_is_what_the_schema_says() -> None:
    spec = PreprocessSpec(256, 224, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    manifest = Manifest("dogs", "resnet50", ("Pug", "Beagle"), (8, 2), spec, None, "0" * 64)
    check("manifest", json.loads(manifest.to_json()))


def test_starter_models_manifest_is_what_the_schema_says() -> None:
    package = FOLDER.parent / ".local" / "starter" / "model.tar.gz"
    if not package.exists():
        pytest.skip("no starter model here: `make model` builds it")
    with tarfile.open(package) as archive:
        member = archive.extractfile("manifest.json")
        assert member
        check("manifest", json.load(member))


def test_page_names_every_schema() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in page for path in Path(FOLDER).glob("*.json"))
