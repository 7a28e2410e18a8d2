"""What one batch leaves behind: rows, acknowledgements, metrics, logs."""

import io
import itertools
import json
import random
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
from botocore.exceptions import ClientError
from classify import handler, observability
from classify.settings import Settings
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.classify.world import (
    BUCKET,
    Context,
    Json,
    Memory,
    World,
    client_error,
    deliver,
    message,
    messages,
    no_dog,
    picture,
    prediction,
    record,
    unknown_breed,
)

JPEG = picture()
EVENTS = Path(__file__).resolve().parents[3] / "events"


def metrics_in(output: str) -> dict[str, float]:
    """Name -> sum of what the function put into its EMF lines."""
    totals: dict[str, float] = {}
    for line in output.splitlines():
        blob = json.loads(line)
        for metric in blob.get("_aws", {}).get("CloudWatchMetrics", [{}])[0].get("Metrics", []):
            values = blob[metric["Name"]]
            total = sum(values if isinstance(values, list) else [values])
            totals[metric["Name"]] = totals.get(metric["Name"], 0) + total
    return totals


def test_photo_of_a_dog_becomes_a_complete_row(world: World) -> None:
    sent = world.upload("uploads/my dog.jpg", picture(size=(60, 40)))
    assert world.deliver(message(sent)) == []
    row = world.row("uploads/my dog.jpg")
    assert row.pop("classified_at").endswith("Z")
    assert row.pop("latency_ms") > 0
    assert re.fullmatch(r"\d{4}-\d\d#[0-3]", row["month_shard"])
    assert row.pop("confidence_key").startswith(f"open#{row.pop('month_shard')[:7]}#")
    for name in ("sample", "sample_key", "sample_order"):
        row.pop(name, None)
    (thumbnail,) = world.thumbnails()
    assert row.pop("thumbnail") == thumbnail
    assert row == {
        "image_key": "uploads/my dog.jpg",
        "status": "CLASSIFIED",
        "breed": "Pug",
        "confidence": Decimal("0.875"),
        "dog_probability": Decimal("0.99"),
        "top": [
            {"label": "Pug", "probability": Decimal("0.875")},
            {"label": "Boxer", "probability": Decimal("0.0625")},
        ],
        "model_version": "sha256:abc",
        "variant": "AllTraffic",
        "sequencer": sent["s3"]["object"]["sequencer"].ljust(32, "0"),
        "version_id": sent["s3"]["object"]["versionId"],
        "etag": "d41d8cd98f00b204e9800998ecf8427e",
        "size_bytes": sent["s3"]["object"]["size"],
        "width": 60,
        "height": 40,
    }


def test_photo_without_a_dog_has_no_breed_but_its_confidence(world: World) -> None:
    world.endpoint.reply = lambda _index: no_dog()
    assert world.deliver(message(world.upload())) == []
    row = world.row()
    assert (row["status"], row["confidence"]) == ("NO_DOG", Decimal("0.75"))
    assert "breed" not in row
    assert row["top"]
    assert row["status_month"] == f"NO_DOG#{row['month_shard']}"


def test_dog_of_an_unknown_breed_has_none_but_the_nearest_ones(world: World) -> None:
    world.endpoint.reply = lambda _index: unknown_breed()
    assert world.deliver(message(world.upload())) == []
    row = world.row()
    assert (row["status"], row["novelty"]) == ("UNKNOWN_BREED", Decimal("0.985"))
    assert "breed" not in row
    assert (row["confidence"], row["top"][0]["label"]) == (Decimal("0.875"), "Pug")
    assert row["status_month"] == f"UNKNOWN_BREED#{row['month_shard']}"


def test_classified_row_has_its_novelty_where_the_model_measures_it(world: World) -> None:
    world.endpoint.reply = lambda _index: prediction() | {"novelty": 0.25, "unknown": False}
    world.deliver(message(world.upload()))
    row = world.row()
    assert (row["status"], row["breed"], row["novelty"]) == ("CLASSIFIED", "Pug", Decimal("0.25"))


def test_model_without_a_dog_score_leaves_the_attribute_out(world: World) -> None:
    bare = prediction()
    del bare["dog_probability"]
    world.endpoint.reply = lambda _index: bare
    world.deliver(message(world.upload()))
    assert "dog_probability" not in world.row()


def test_text_named_jpg_is_rejected_with_its_reason(world: World) -> None:
    assert world.deliver(message(world.upload(data=b"hello, not a dog"))) == []
    row = world.row()
    assert (row["status"], row["reason"]["code"]) == ("REJECTED", "NOT_AN_IMAGE")
    assert row["status_month"] == f"REJECTED#{row['month_shard']}"
    assert not {"breed", "confidence", "top", "model_version", "variant"} & row.keys()
    assert not {"confidence_key", "thumbnail", "sample"} & row.keys()
    assert world.endpoint.calls == []


def test_object_over_the_limit_is_rejected_unread(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = settings_with(max_object_bytes=500)
    monkeypatch.setattr("classify.handler.PORTS", world.ports(limited))
    sent = world.upload(data=b"x" * 501)
    assert world.deliver(message(sent)) == []
    assert world.row()["reason"]["code"] == "TOO_LARGE"


def test_batch_of_ten_costs_one_endpoint_call(world: World) -> None:
    sent = [world.upload(f"uploads/{index}.jpg") for index in range(10)]
    assert world.deliver(*messages(sent)) == []
    assert world.endpoint.calls == [10]
    assert len(world.rows()) == 10


def test_predictions_reach_their_own_photos_when_some_are_rejected(world: World) -> None:
    # GIVEN a batch in which the second and fourth are no images
    sent = [
        world.upload(f"uploads/{index}.jpg", picture() if index % 2 == 0 else b"text")
        for index in range(5)
    ]
    world.endpoint.reply = lambda index: prediction(f"Breed {index}")
    world.deliver(*messages(sent))
    # THEN the rest got the answers in their own order
    rows = world.rows()
    assert [rows[f"uploads/{index}.jpg"].get("breed") for index in range(5)] == [
        "Breed 0",
        None,
        "Breed 1",
        None,
        "Breed 2",
    ]


def test_event_delivered_again_costs_no_read_and_no_endpoint_call(world: World) -> None:
    sent = message(world.upload())
    world.deliver(sent)
    world.s3.calls.clear()
    assert world.deliver(sent) == []
    assert world.endpoint.calls == [1]
    assert world.s3.calls == []


def test_duplicate_within_a_batch_is_answered_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = world.upload()
    assert world.deliver(message(sent, id_="a"), message(sent, id_="b")) == []
    assert world.endpoint.calls == [1]
    counted = metrics_in(capsys.readouterr().out)
    assert (counted["Classified"], counted["AlreadyAnswered"]) == (1, 1)
    assert counted["UploadsAnswered"] == 2


def test_duplicates_within_a_batch_fail_together(world: World) -> None:
    sent = world.upload()
    world.s3.faults["get_object"] = [throttled("GetObject")]
    assert world.deliver(message(sent, id_="a"), message(sent, id_="b")) == ["a", "b"]


def test_versions_of_one_key_in_a_batch_end_as_the_newest(world: World) -> None:
    old, new = world.upload(), world.upload(data=picture(size=(80, 40)))
    assert world.deliver(message(new, id_="new"), message(old, id_="old")) == []
    assert world.endpoint.calls == [1]
    assert world.row()["version_id"] == new["s3"]["object"]["versionId"]


def test_superseded_version_waits_for_the_newest(world: World) -> None:
    old, new = world.upload(), world.upload()
    world.dynamodb.faults["put_item"] = [throttled("PutItem")]
    assert world.deliver(message(old, id_="old"), message(new, id_="new")) == ["old", "new"]


def test_newest_version_deleted_gives_the_older_one_its_turn(world: World) -> None:
    old, new = world.upload(), world.upload()
    version = new["s3"]["object"]["versionId"]
    world.s3.delete_object(Bucket=BUCKET, Key="uploads/rex.jpg", VersionId=version)
    # WHEN both arrive: the newer is gone, so the older one is the current object again
    assert world.deliver(message(old, id_="old"), message(new, id_="new")) == []
    assert world.row()["version_id"] == old["s3"]["object"]["versionId"]


def test_one_message_with_two_versions_ends_well_when_the_newer_one_is_gone(world: World) -> None:
    old, new = world.upload(), world.upload()
    version = new["s3"]["object"]["versionId"]
    world.s3.delete_object(Bucket=BUCKET, Key="uploads/rex.jpg", VersionId=version)
    assert world.deliver(message(old, new)) == []
    assert world.row()["version_id"] == old["s3"]["object"]["versionId"]


def test_versions_that_are_all_gone_are_counted_skips(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = [world.upload() for _ in range(3)]
    for each in sent:
        version = each["s3"]["object"]["versionId"]
        world.s3.delete_object(Bucket=BUCKET, Key="uploads/rex.jpg", VersionId=version)
    assert world.deliver(message(*sent)) == []
    assert metrics_in(capsys.readouterr().out)["ObjectGone"] == 3


def test_older_version_never_overwrites_a_newer_row(world: World) -> None:
    old, new = world.upload(), world.upload()
    world.deliver(message(new))
    assert world.deliver(message(old)) == []
    assert world.row()["version_id"] == new["s3"]["object"]["versionId"]
    assert world.endpoint.calls == [1]


def test_row_written_by_another_batch_meanwhile_wins(world: World) -> None:
    # GIVEN a newer row that appears between the look-up and the write
    old, new = world.upload(), world.upload()

    def meanwhile(_index: int) -> Json:
        world.endpoint.reply = lambda _index: prediction("Pug")
        world.deliver(message(new))
        return prediction("Boxer")

    world.endpoint.reply = meanwhile
    # WHEN the older version's prediction comes late
    assert world.deliver(message(old)) == []
    # THEN the newer row stands
    assert world.row()["breed"] == "Pug"


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_any_order_any_duplicates_any_batches_end_as_the_newest_version(rng: random.Random) -> None:
    # GIVEN versions of three keys, some events delivered twice, all in any order
    memory = Memory()
    sent = []
    for number in range(8):
        key, version = f"uploads/{rng.randrange(3)}.jpg", f"v{number}"
        memory.objects[key, version] = JPEG if rng.random() < 0.8 else b"text"
        sent.append(record(key, f"{number:X}", version))
    newest = {each["s3"]["object"]["key"]: each["s3"]["object"]["versionId"] for each in sent}
    deliveries = sent + rng.choices(sent, k=4)
    rng.shuffle(deliveries)
    # WHEN they come in batches of any size, some batches twice for a lost acknowledgement
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("classify.handler.PORTS", memory.ports())
        while deliveries:
            batch = [deliveries.pop() for _ in range(min(len(deliveries), rng.randint(1, 5)))]
            for _ in range(rng.randint(1, 2)):
                assert deliver(messages(batch)) == []
    # THEN each key's row is its newest version's
    assert {key: row["version_id"] for key, row in memory.rows.items()} == newest


def test_object_deleted_meanwhile_is_a_counted_skip(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = world.upload()
    version = sent["s3"]["object"]["versionId"]
    world.s3.delete_object(Bucket=BUCKET, Key="uploads/rex.jpg", VersionId=version)
    assert world.deliver(message(sent)) == []
    assert world.rows() == {}
    counted = metrics_in(capsys.readouterr().out)
    assert (counted["ObjectGone"], counted["UploadsAnswered"]) == (1, 1)


def test_event_without_version_after_a_delete_marker_is_a_counted_skip(world: World) -> None:
    sent = world.upload()
    del sent["s3"]["object"]["versionId"]
    world.s3.delete_object(Bucket=BUCKET, Key="uploads/rex.jpg")
    assert world.deliver(message(sent)) == []
    assert world.rows() == {}


def test_event_names_a_version_and_that_version_is_read(world: World) -> None:
    old = world.upload(data=picture(size=(60, 40)))
    world.upload(data=picture(size=(90, 30)))
    world.deliver(message(old))
    assert (world.row()["width"], world.row()["height"]) == (60, 40)


def test_message_with_one_failing_record_comes_back_whole(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = world.upload("uploads/a.jpg"), world.upload("uploads/b.jpg")
    world.dynamodb.faults["put_item"] = [throttled("PutItem")]
    sent = message(good, bad, id_="both")
    assert world.deliver(sent) == ["both"]
    # WHEN it returns, THEN the one that was answered costs nothing
    assert world.deliver(sent) == []
    assert world.endpoint.calls == [2, 1]
    assert len(world.rows()) == 2
    counted = metrics_in(capsys.readouterr().out)
    assert (counted["UploadsAnswered"], counted["RetriesReported"]) == (2, 1)


def test_unreadable_message_goes_back_and_the_others_are_answered(world: World) -> None:
    good = message(world.upload(), id_="good")
    assert world.deliver(message(body="{}", id_="bad"), good) == ["bad"]
    assert world.row()["status"] == "CLASSIFIED"


def test_rows_expire_only_when_told_to(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deliver(message(world.upload("uploads/a.jpg")))
    monkeypatch.setattr("classify.handler.SETTINGS", settings_with(retention_days=30))
    world.deliver(message(world.upload("uploads/b.jpg", b"text")))
    rows = world.rows()
    assert "expires_at" not in rows["uploads/a.jpg"]
    assert rows["uploads/b.jpg"]["expires_at"] > 1_700_000_000


def test_more_than_a_hundred_records_are_looked_up(world: World) -> None:
    records = [record(f"uploads/{index}.jpg", f"{index:X}", None) for index in range(230)]
    assert world.deliver(message(*records)) == []
    assert world.dynamodb.calls.count("batch_get_item") == 3


def test_every_sample_event_is_understood(world: World) -> None:
    expected = {
        "one_photo": 1,
        "batch": 10,
        "duplicate": 1,
        "out_of_order": 1,
        "test_event": 0,
        "awkward_keys": 8,
        "restored": 1,
        "removed": 0,
    }
    assert expected.keys() == {path.stem for path in EVENTS.glob("*.json")}
    for name, photos in expected.items():
        event = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
        keys = set(stored(world, event))
        assert world.deliver(*event["Records"]) == []
        assert len(keys) == photos
        assert keys <= world.rows().keys()


def stored(world: World, event: Json) -> list[str]:
    """Puts what the event's records speak of, without versions, and makes the records say so."""
    keys = []
    for sent in event["Records"]:
        body = json.loads(sent["body"])
        for each in body.get("Records", []):
            described = each["s3"]["object"]
            described.pop("versionId", None)
            key = unquote_plus(described["key"])
            if not each["eventName"].startswith("ObjectRemoved") and not key.endswith("/"):
                world.s3.put_object(Bucket=BUCKET, Key=key, Body=picture())
                keys.append(key)
        sent["body"] = json.dumps(body)
    return keys


def test_outcomes_add_up_to_the_uploads_answered(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    dog, text = world.upload("uploads/a.jpg"), world.upload("uploads/b.jpg", b"text")
    gone = record("uploads/gone.jpg", "1", None)
    folder = record("uploads/folder/", "2", None)
    world.deliver(*messages([dog, text, gone, folder, dog]))
    counted = metrics_in(capsys.readouterr().out)
    outcomes = {"Classified": 1, "Rejected": 1, "ObjectGone": 1, "Ignored": 1, "AlreadyAnswered": 1}
    assert {name: counted[name] for name in outcomes} == outcomes
    assert counted["UploadsAnswered"] == sum(outcomes.values()) == 5
    assert counted["EndpointCalls"] == 1


def test_emitted_metrics_are_the_ones_named_in_observability(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN batches that end in every way there is
    named = {
        value
        for name, value in vars(observability).items()
        if name.isupper() and name[0] != "_" and isinstance(value, str)
    }
    dog, text = world.upload("uploads/a.jpg"), world.upload("uploads/b.jpg", b"text")
    world.deliver(*messages([dog, text, record("uploads/gone.jpg", "1", None), dog]))
    world.endpoint.reply = lambda _index: no_dog()
    world.deliver(message(world.upload("uploads/c.jpg"), record("uploads/folder/", "2", None)))
    world.endpoint.reply = lambda _index: unknown_breed()
    world.deliver(message(world.upload("uploads/d.jpg")))
    world.deliver(message(body="?", receive_count=5))
    world.s3.faults["put_object"] = [throttled("PutObject")]
    sent = message(record("uploads/c.jpg", "3", None))
    world.deliver(sent, message(world.remove("uploads/a.jpg")))
    # THEN every name is used and no other one
    out = capsys.readouterr().out
    assert (
        set(metrics_in(out))
        == named
        == {
            "UploadsAnswered",
            "Classified",
            "UnknownBreed",
            "NoDog",
            "Rejected",
            "Deleted",
            "AlreadyAnswered",
            "ObjectGone",
            "Ignored",
            "RetriesReported",
            "RepeatedRetries",
            "EndpointCalls",
            "EndpointMilliseconds",
            "ThumbnailsLeftBehind",
        }
    )
    blobs = [json.loads(line) for line in out.splitlines()]
    directives = [blob["_aws"]["CloudWatchMetrics"][0] for blob in blobs if "_aws" in blob]
    assert {directive["Namespace"] for directive in directives} == {"breed-classifier"}
    assert all(directive["Dimensions"] == [["service"]] for directive in directives)
    assert all(blob["service"] == "classify" for blob in blobs)


def test_logs_hold_neither_image_bytes_nor_whole_events(world: World, logs: io.StringIO) -> None:
    # GIVEN photos with a mark in their bytes, one refused by the model, one cut, one lost
    mark = "SECRETMARK"
    jpeg = picture() + mark.encode()
    sent = [world.upload(f"uploads/{index}.jpg", jpeg) for index in range(3)]
    cut = world.upload("uploads/cut.png", picture("PNG")[:60] + mark.encode())
    for each in sent:
        each["responseElements"] = {"x-amz-request-id": "WHOLEEVENT"}
    refusals = [{"error": {"code": "CORRUPT", "message": "no"}}, prediction(), prediction()]
    world.endpoint.reply = lambda index: refusals[index % 3]
    world.dynamodb.faults["put_item"] = [throttled("PutItem"), RuntimeError("bug")]
    for _ in range(2):
        world.deliver(*messages([*sent, cut]))
    # THEN no line has them, plain or as base64, and every line is JSON of a decent length
    lines = logs.getvalue().splitlines()
    assert len(lines) > 4
    for line in lines:
        json.loads(line)
        assert mark not in line
        assert "WHOLEEVENT" not in line
        assert "/9j/" not in line
        assert len(line) < 5000


def test_unknown_error_is_logged_with_its_traceback_and_a_known_one_in_a_line(
    world: World, logs: io.StringIO
) -> None:
    world.s3.faults["get_object"] = [throttled("GetObject")]
    world.deliver(message(world.upload()))
    assert "Traceback" not in logs.getvalue()
    world.s3.faults["get_object"] = [ZeroDivisionError("bug")]
    world.deliver(message(world.upload()))
    assert "Traceback" in logs.getvalue()


def settings_with(**changes: Any) -> Settings:
    return replace(handler.SETTINGS, **changes)


def throttled(operation: str) -> ClientError:
    return client_error("ThrottlingException", operation)


def test_message_ids_are_named_once_each(world: World) -> None:
    bad = [message(body="?", id_=f"m{index}") for index in itertools.islice(itertools.count(), 3)]
    assert world.deliver(*bad, context=Context()) == ["m0", "m1", "m2"]
