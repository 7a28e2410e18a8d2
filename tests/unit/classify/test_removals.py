"""A photo that is deleted leaves the lists; one that is back is answered again."""

import io
import json

import pytest
from botocore.exceptions import EndpointConnectionError
from classify import handler

from tests.unit.classify.test_batch_log import lines
from tests.unit.classify.world import (
    BUCKET,
    KEY,
    World,
    message,
    metrics_in,
    padded,
    picture,
    record,
    removed,
    settings_with,
    version_of,
)


def test_deleted_photo_is_a_row_without_an_answer_and_without_a_thumbnail(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.deliver(message(world.upload()))
    assert world.thumbnails()
    sent = world.remove()
    assert world.deliver(message(sent)) == []
    assert world.row() == {
        "image_key": KEY,
        "sequencer": padded(sent),
        "status": "DELETED",
        "deleted_at": "2026-11-20T09:15:01.123000Z",
        "version_id": version_of(sent),
    }
    assert world.thumbnails() == {}
    # AND nothing was read, nobody asked
    assert world.endpoint.calls == [1]
    counted = metrics_in(capsys.readouterr().out)
    assert (counted["Deleted"], counted["UploadsAnswered"]) == (1, 2)


def test_deleted_row_expires_as_others_do(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "SETTINGS", settings_with(retention_days=30))
    world.deliver(message(world.upload()))
    world.deliver(message(world.remove()))
    assert world.row()["expires_at"] > 1_700_000_000


def test_photo_that_is_deleted_before_it_was_answered_costs_no_endpoint_call(world: World) -> None:
    up, gone = world.upload(), world.remove()
    assert world.deliver(message(gone, id_="gone"), message(up, id_="up")) == []
    assert world.row()["status"] == "DELETED"
    assert world.endpoint.calls == []


def test_upload_that_is_told_of_after_its_deletion_changes_nothing(world: World) -> None:
    up = world.upload()
    world.deliver(message(world.remove()))
    assert world.deliver(message(up)) == []
    assert world.row()["status"] == "DELETED"
    assert world.endpoint.calls == []


def test_photo_that_is_put_again_is_answered_whatever_comes_first(world: World) -> None:
    world.deliver(message(world.upload()))
    gone, again = world.remove(), world.upload()
    assert world.deliver(message(again)) == []
    assert world.deliver(message(gone)) == []
    assert world.row()["version_id"] == version_of(again)
    assert list(world.thumbnails()) == [world.row()["thumbnail"]]


def test_event_of_a_deletion_that_comes_again_costs_one_look_at_the_table(world: World) -> None:
    world.deliver(message(world.upload()))
    sent = world.remove()
    world.deliver(message(sent))
    world.s3.calls.clear()
    assert world.deliver(message(sent)) == []
    assert world.s3.calls == []


def test_key_that_begins_like_a_longer_one_is_told_from_it(world: World) -> None:
    longer = world.upload(f"{KEY}.bak")
    world.deliver(message(longer), message(world.upload(), id_="m2"))
    assert world.deliver(message(world.remove())) == []
    rows = world.rows()
    assert (rows[KEY]["status"], rows[f"{KEY}.bak"]["status"]) == ("DELETED", "CLASSIFIED")
    up = world.upload()
    world.deliver(message(up))
    assert world.deliver(message(world.remove(version_id=version_of(up)))) == []
    assert world.row()["status"] == "DELETED"


def test_event_without_version_is_understood(world: World) -> None:
    # GIVEN a bucket whose versioning somebody has switched off: S3 names no version then
    world.deliver(message(world.upload()))
    sent = world.remove()
    del sent["s3"]["object"]["versionId"]
    sent["eventName"] = "ObjectRemoved:Delete"
    assert world.deliver(message(sent)) == []
    assert world.row()["status"] == "DELETED"
    assert "version_id" not in world.row()


def test_event_as_the_local_cloud_sends_it_is_understood(world: World) -> None:
    world.deliver(message(world.upload()))
    sent = world.remove()
    sent["s3"]["object"] |= {"size": 0, "eTag": ""}
    assert world.deliver(message(sent)) == []
    assert world.row()["status"] == "DELETED"


def test_folder_that_is_deleted_is_ignored(world: World) -> None:
    sent = removed("uploads/holiday/", "AB", "v", for_ever=False)
    assert world.deliver(message(sent)) == []
    assert world.rows() == {}


def test_deletion_needs_no_endpoint(world: World) -> None:
    world.deliver(message(world.upload()))
    away = EndpointConnectionError(endpoint_url="https://aws.example")
    world.endpoint.faults = [away] * 4
    up = message(world.upload("uploads/b.jpg"), id_="up", receive_count=3)
    gone = message(world.remove(), id_="gone", receive_count=3)
    assert world.deliver(up, gone) == ["up"]
    assert world.row()["status"] == "DELETED"


def test_log_names_what_was_deleted_by_its_count(world: World, logs: io.StringIO) -> None:
    world.deliver(message(world.upload()))
    world.deliver(message(world.remove()))
    assert lines(logs, "Batch done")[1]["outcomes"] == {"DELETED": 1}
    assert json.dumps(BUCKET) not in logs.getvalue()


def test_event_of_a_photo_from_before_the_stack_is_answered_after_a_removal(world: World) -> None:
    # GIVEN two versions without a row
    world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=picture())
    new = record(KEY, "AB", world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"x")["VersionId"])
    assert world.deliver(message(world.remove(version_id=version_of(new)))) == []
    assert world.row()["status"] == "CLASSIFIED"
