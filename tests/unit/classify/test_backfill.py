"""What a back-fill sends: photos that were there before, and rows to be answered again."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from classify import handler
from classify.events import listed_sequencer
from classify.rows import thumbnail_key
from lister.messages import sequencer_of

from tests.unit.classify.world import (
    BUCKET,
    KEY,
    TABLE,
    Json,
    World,
    answer,
    client_error,
    message,
    metrics_in,
    no_dog,
    picture,
    prediction,
    record,
)

ELSEWHERE = "shelter-archive"
FOREIGN_KEY = f"s3://{ELSEWHERE}/2019/rex.jpg"


def listed(world: World, bucket: str = BUCKET, key: str = KEY, data: bytes | None = None) -> Json:
    """Puts an object that no event told of, and gives the back-fill's record of it."""
    body = picture() if data is None else data
    etag = world.s3.put_object(Bucket=bucket, Key=key, Body=body)["ETag"].strip('"')
    at = world.s3.head_object(Bucket=bucket, Key=key)["LastModified"]
    return asked(record(key, sequencer_of(at, etag), None, len(body)), bucket, etag)


def asked(sent: Json, bucket: str, etag: str) -> Json:
    described = sent["s3"]["object"] | {"eTag": etag}
    return sent | {
        "eventSource": "breed-classifier:backfill",
        "eventName": "ObjectCreated:Backfill",
        "s3": {"bucket": {"name": bucket}, "object": described},
        "backfill": {"job": "b1"},
    }


def again(row: Json, replaces: str = "sha256:abc", job: str = "r1") -> Json:
    """The record that asks to answer this row again."""
    sent = record(row["image_key"], row["sequencer"], row.get("version_id"))
    sent = asked(sent, BUCKET, row.get("etag", ""))
    return sent | {
        "eventName": "Reclassify:Photo",
        "backfill": {"job": job, "replaces": replaces},
    }


def other_model(world: World, said: Json) -> None:
    reply = json.loads(answer([said]))
    reply["model"]["version"] = "sha256:def"
    world.endpoint.faults = [json.dumps(reply).encode()]


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Any]) -> None:
    """What happens to the row while the model looks at the photo."""
    predict = handler.PORTS.predict

    def slow(*arguments: Any) -> Any:
        happens()
        return predict(*arguments)

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, predict=slow))


def reviewed(world: World, verdict: str = "RIGHT") -> None:
    """As the API leaves a row that somebody looked at."""
    row = world.row()
    shard = row["confidence_key"].removeprefix("open#")
    said = {"verdict": {"S": verdict}, "by": {"S": "ann"}}
    world.dynamodb.update_item(
        TableName=TABLE,
        Key={"image_key": {"S": KEY}},
        UpdateExpression="SET review = :said, last_review = :id, confidence_key = :key",
        ExpressionAttributeValues={
            ":said": {"M": said}, ":id": {"S": "2026-11-21#1"}, ":key": {"S": f"done#{shard}"},
        },
    )  # fmt: skip


def test_photo_that_no_event_told_of_is_answered(world: World) -> None:
    sent = listed(world)
    assert world.deliver(message(sent)) == []
    row = world.row()
    assert (row["status"], row["breed"], row["backfill"]) == ("CLASSIFIED", "Pug", "b1")
    assert row["sequencer"] == sent["s3"]["object"]["sequencer"]
    # Nobody has waited for it.
    assert "latency_ms" not in row
    assert list(world.thumbnails()) == [row["thumbnail"]]


def test_photo_that_is_listed_twice_is_answered_once(world: World) -> None:
    sent = listed(world)
    world.deliver(message(sent), message(sent | {"backfill": {"job": "b2"}}))
    world.deliver(message(sent))
    assert world.endpoint.calls == [1]


def test_whatever_s3_told_of_the_key_is_newer(world: World) -> None:
    live = world.upload()
    sent = asked(live, BUCKET, live["s3"]["object"]["eTag"])
    late = sequencer_of(datetime.now().astimezone(), "later")
    sent["s3"]["object"]["sequencer"] = late
    world.deliver(message(live))
    row = world.row()
    assert world.deliver(message(sent)) == []
    assert world.row() == row


def test_upload_takes_the_place_of_what_a_back_fill_answered(world: World) -> None:
    world.deliver(message(listed(world)))
    old = world.row()["thumbnail"]
    live = world.upload()
    world.deliver(message(live))
    assert world.row()["version_id"] == live["s3"]["object"]["versionId"]
    assert "backfill" not in world.row()
    assert old not in world.thumbnails()


def test_photo_that_was_replaced_since_it_was_listed_is_left_to_its_own_event(world: World) -> None:
    sent = listed(world)
    world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=picture("PNG"))
    assert world.deliver(message(sent)) == []
    assert world.rows() == {}


def test_photo_of_another_bucket_that_was_replaced_is_answered_as_it_stands(world: World) -> None:
    """Nobody would tell of it."""
    world.s3.create_bucket(Bucket=ELSEWHERE)
    sent = listed(world, ELSEWHERE, "2019/rex.jpg")
    now = listed(world, ELSEWHERE, "2019/rex.jpg", picture("PNG"))["s3"]["object"]
    assert world.deliver(message(sent)) == []
    row = world.row(FOREIGN_KEY)
    assert (row["etag"], row["sequencer"], row["size_bytes"]) == (
        now["eTag"], now["sequencer"], now["size"],
    )  # fmt: skip
    assert list(world.thumbnails()) == [row["thumbnail"]]


def test_photo_of_another_bucket_that_is_replaced_all_the_time_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.s3.create_bucket(Bucket=ELSEWHERE)
    sent = listed(world, ELSEWHERE, "2019/rex.jpg")
    world.s3.put_object(Bucket=ELSEWHERE, Key="2019/rex.jpg", Body=picture("PNG"))
    ports = replace(handler.PORTS, listed_now=lambda upload: upload)
    monkeypatch.setattr(handler, "PORTS", ports)
    assert len(world.deliver(message(sent))) == 1
    assert world.rows() == {}


def test_sequencer_of_what_is_listed_is_the_lister_s() -> None:
    at = datetime(2026, 11, 26, 12, 0, 0, 123456, UTC)
    assert listed_sequencer(at, "etag") == sequencer_of(at, "etag")


def test_archived_photo_of_a_back_fill_is_answered_once_it_is_restored(world: World) -> None:
    sent = listed(world)
    world.s3.faults = {"get_object": [client_error("InvalidObjectState")]}
    world.deliver(message(sent))
    assert world.row()["reason"]["code"] == "ARCHIVED"
    version = world.s3.head_object(Bucket=BUCKET, Key=KEY)["VersionId"]
    restored = record(KEY, "", version) | {"eventName": "ObjectRestore:Completed"}
    restored["s3"]["object"] |= {"eTag": sent["s3"]["object"]["eTag"]}
    other = record(KEY, "", version) | {"eventName": "ObjectRestore:Completed"}
    other["s3"]["object"] |= {"eTag": "of another version"}
    world.deliver(message(other))
    assert world.row()["status"] == "REJECTED"
    assert world.deliver(message(restored)) == []
    assert world.row()["status"] == "CLASSIFIED"


def test_review_of_a_back_filled_photo_outlives_the_deletion_of_an_older_version(
    world: World,
) -> None:
    old = world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=picture("PNG"))["VersionId"]
    world.deliver(message(listed(world)))
    reviewed(world)
    before = world.row()
    assert world.deliver(message(world.remove(version_id=old))) == []
    row = world.row()
    assert row["review"] == before["review"]
    assert row["breed"] == before["breed"]
    assert world.endpoint.calls == [1]


def test_photo_of_another_bucket_has_a_key_that_names_it(world: World) -> None:
    world.s3.create_bucket(Bucket=ELSEWHERE)
    sent = listed(world, ELSEWHERE, "2019/rex.jpg")
    # and the stack's own photo of that key is another one
    own = listed(world, key="2019/rex.jpg", data=b"text")
    assert world.deliver(message(sent), message(own)) == []
    assert {key: row["status"] for key, row in world.rows().items()} == {
        FOREIGN_KEY: "CLASSIFIED",
        "2019/rex.jpg": "REJECTED",
    }
    # Its thumbnail is in the stack's bucket: the other one is read, never written.
    row = world.row(FOREIGN_KEY)
    assert row["thumbnail"] == thumbnail_key(FOREIGN_KEY, row["sequencer"])
    assert list(world.thumbnails()) == [row["thumbnail"]]


def test_row_is_answered_again_and_keeps_its_place(world: World) -> None:
    world.deliver(message(world.upload()))
    before = world.row()
    other_model(world, prediction("Boxer", 0.5))
    assert world.deliver(message(again(before))) == []
    row = world.row()
    said = {
        "breed": "Boxer", "confidence": Decimal("0.5"), "model_version": "sha256:def",
        "answered": 2, "reclassified_by": "r1",
        "previous": {
            "status": "CLASSIFIED", "model_version": "sha256:abc",
            "breed": "Pug", "confidence": Decimal("0.875"),
        },
    }  # fmt: skip
    assert {name: row[name] for name in said} == said
    # It came by an upload, whoever asked again.
    assert "backfill" not in row
    assert row.pop("reclassified_at") > before["classified_at"]
    # All else is as it was: its place in the lists, its thumbnail, its latency.
    assert row | said == before | said
    assert world.s3.calls.count("put_object") == 2  # the upload's, and one thumbnail


def test_what_the_new_answer_does_not_say_goes(world: World) -> None:
    world.deliver(message(world.upload()))
    other_model(world, no_dog())
    world.deliver(message(again(world.row())))
    row = world.row()
    assert row["status"] == "NO_DOG"
    assert row["status_month"].startswith("NO_DOG#")
    assert "breed" not in row
    other_model(world, prediction())
    world.deliver(message(again(row, "sha256:def", "r2")))
    assert "status_month" not in world.row()
    assert world.row()["answered"] == 3


def test_what_people_said_stays_and_says_of_which_answer(world: World) -> None:
    world.deliver(message(world.upload()))
    reviewed(world)
    before = world.row()
    for replaces, breed in (("sha256:abc", "Boxer"), ("sha256:def", "Beagle")):
        other_model(world, prediction(breed))
        assert world.deliver(message(again(world.row(), replaces, breed))) == []
    row = world.row()
    assert row["breed"] == "Beagle"
    first: Json = {"status": "CLASSIFIED", "model_version": "sha256:abc"}
    first |= {"breed": "Pug", "confidence": Decimal("0.875")}
    assert row["review"] == before["review"] | {"answer": first}
    assert row["confidence_key"] == before["confidence_key"]


def test_row_is_answered_once_a_job_also_by_the_model_that_it_replaces(world: World) -> None:
    # GIVEN an endpoint that was rolled back since the job began
    world.deliver(message(world.upload()))
    sent = again(world.row())
    world.deliver(message(sent))
    row, calls = world.row(), list(world.endpoint.calls)
    assert row["answered"] == 2
    # WHEN the message comes again
    world.deliver(message(sent, receive_count=2))
    # THEN nobody is asked again, and what a person may have seen stands
    assert (world.row(), world.endpoint.calls) == (row, calls)
    # AND another job may have it answered
    world.deliver(message(sent | {"backfill": sent["backfill"] | {"job": "later"}}))
    assert world.row()["answered"] == 3


def test_row_is_answered_again_once_a_job(world: World) -> None:
    world.deliver(message(world.upload()))
    sent = again(world.row())
    other_model(world, prediction())
    world.deliver(message(sent))
    world.deliver(message(sent, receive_count=2))
    assert world.endpoint.calls == [1, 1]
    assert list(world.thumbnails()) == [world.row()["thumbnail"]]


def test_row_of_a_newer_upload_is_not_answered_again(world: World) -> None:
    world.deliver(message(world.upload()))
    sent = again(world.row())
    world.deliver(message(world.upload()))
    row = world.row()
    assert world.deliver(message(sent)) == []
    assert world.row() == row


def test_deleted_photo_is_not_answered_again(world: World) -> None:
    world.deliver(message(world.upload()))
    sent = again(world.row())
    world.deliver(message(world.remove()))
    assert world.deliver(message(sent)) == []
    assert world.row()["status"] == "DELETED"


def test_review_that_comes_meanwhile_is_not_overwritten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN somebody who reviews a photo while the model looks at it again
    world.deliver(message(world.upload()))
    meanwhile(monkeypatch, lambda: reviewed(world))
    # THEN it is looked at once more, and that time the review is seen
    sent = again(world.row())
    assert world.deliver(message(sent)) == ["m1"]
    monkeypatch.undo()
    assert world.row()["breed"] == "Pug"
    other_model(world, prediction("Boxer"))
    monkeypatch.setattr(handler, "PORTS", world.ports())
    assert world.deliver(message(sent, receive_count=2)) == []
    assert (world.row()["breed"], world.row()["review"]["verdict"]) == ("Boxer", "RIGHT")


def test_message_that_two_functions_have_leaves_one_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(message(world.upload()))
    # GIVEN another one that writes the job's answer, by the model that it replaces
    other: Json = {
        "TableName": TABLE,
        "Key": {"image_key": {"S": KEY}},
        "UpdateExpression": "SET reclassified_by = :job, answered = :two",
        "ExpressionAttributeValues": {":job": {"S": "r1"}, ":two": {"N": "2"}},
    }
    meanwhile(monkeypatch, lambda: world.dynamodb.update_item(**other))
    assert world.deliver(message(again(world.row()))) == []
    assert "previous" not in world.row()


def test_answer_stands_when_the_photo_cannot_be_read_any_more(world: World) -> None:
    world.deliver(message(world.upload()))
    before = world.row()
    world.s3.faults["get_object"] = [
        client_error("InvalidObjectState"), client_error("NoSuchVersion"),
    ]  # fmt: skip
    for receive_count in (1, 2):
        assert world.deliver(message(again(before), receive_count=receive_count)) == []
    assert world.row() == before
    assert list(world.thumbnails()) == [before["thumbnail"]]


def test_rejected_photo_is_answered_again_where_that_is_asked_for(world: World) -> None:
    world.endpoint.reply = lambda _index: {"error": {"code": "BAD", "message": "no"}}
    world.deliver(message(world.upload()))
    rejected = world.row()
    assert rejected["status"] == "REJECTED"
    world.endpoint.reply = lambda _index: prediction()
    assert world.deliver(message(again(rejected, ""))) == []
    row = world.row()
    assert (row["status"], row["previous"]) == ("CLASSIFIED", {"status": "REJECTED"})
    assert "reason" not in row
    assert list(world.thumbnails()) == [row["thumbnail"]]


def test_failed_message_waits_in_the_queue_it_came_from(world: World) -> None:
    sent = message(listed(world))
    sent["eventSourceARN"] = "arn:aws:sqs:us-east-1:123456789012:backfill"
    world.queue.url = handler.SETTINGS.backfill_queue_url
    world.endpoint.faults = [
        client_error("ThrottlingException"),
        client_error("ThrottlingException"),
    ]
    assert world.deliver(sent) == ["m1"]
    assert world.queue.waits.keys() == {"receipt of m1"}


def test_answers_of_a_back_fill_are_counted_apart(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.deliver(message(listed(world)))
    counted = metrics_in(capsys.readouterr().out)
    assert (counted["BackfillAnswered"], counted["UploadsAnswered"]) == (1, 0)
