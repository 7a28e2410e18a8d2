"""Messages and their records: which come back, and every kind of event is understood."""

import itertools
import json
from pathlib import Path
from urllib.parse import unquote_plus

import pytest

from tests.unit.classify.world import (
    BUCKET,
    Context,
    Json,
    World,
    message,
    metrics_in,
    picture,
    record,
    throttled,
)

EVENTS = Path(__file__).resolve().parents[3] / "events"


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
        "backfill": 1,
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
                stored = world.s3.put_object(Bucket=BUCKET, Key=key, Body=picture())
                described["eTag"] = stored["ETag"].strip('"')
                keys.append(key)
        sent["body"] = json.dumps(body)
    return keys


def test_message_ids_are_named_once_each(world: World) -> None:
    bad = [message(body="?", id_=f"m{index}") for index in itertools.islice(itertools.count(), 3)]
    assert world.deliver(*bad, context=Context()) == ["m0", "m1", "m2"]
