"""A photo that is deleted leaves the lists; one that is back is answered again."""

import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from botocore.exceptions import EndpointConnectionError
from classify import handler
from classify.events import Upload
from classify.rows import thumbnail_key

from tests.unit.classify.test_archived import archive, restore, restored
from tests.unit.classify.test_batch_log import lines
from tests.unit.classify.test_delivery import metrics_in, settings_with, throttled
from tests.unit.classify.world import (
    BUCKET,
    Json,
    World,
    message,
    messages,
    no_dog,
    picture,
    record,
    removed,
    version_of,
)

KEY = "uploads/rex.jpg"


def padded(sent: Json) -> str:
    sequencer: str = sent["s3"]["object"]["sequencer"]
    return sequencer.ljust(32, "0")


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


def test_delete_marker_that_is_removed_brings_the_photo_back(world: World) -> None:
    up = world.upload()
    world.deliver(message(up))
    marker = world.remove()
    world.deliver(message(marker))
    back = world.remove(version_id=version_of(marker))
    assert back["eventName"] == "ObjectRemoved:Delete"
    assert world.deliver(message(back)) == []
    row = world.row()
    assert (row["status"], row["version_id"]) == ("CLASSIFIED", version_of(up))
    assert row["sequencer"] == padded(back)
    assert list(world.thumbnails()) == [thumbnail_key(KEY, padded(back))]
    assert "deleted_at" not in row


def test_delete_marker_whose_removal_is_told_of_first_leaves_the_photo(world: World) -> None:
    up = world.upload()
    world.deliver(message(up))
    marker = world.remove()
    back = world.remove(version_id=version_of(marker))
    before = world.row()
    # WHEN the events come the wrong way round
    assert world.deliver(message(back)) == []
    assert world.deliver(message(marker)) == []
    # THEN it is the same row, with its answer, its time and its thumbnail
    assert world.row() == before | {"seen_sequencer": padded(back)}
    assert list(world.thumbnails()) == [before["thumbnail"]]
    assert world.endpoint.calls == [1]


def test_old_version_that_is_deleted_for_ever_changes_nothing(world: World) -> None:
    old, new = world.upload(), world.upload()
    world.deliver(message(old), message(new, id_="m2"))
    before = world.row()
    gone = world.remove(version_id=version_of(old))
    assert world.deliver(message(gone)) == []
    assert world.row() == before | {"seen_sequencer": padded(gone)}
    assert world.endpoint.calls == [1]


def test_what_a_person_said_survives_the_deletion_of_an_old_version(world: World) -> None:
    old, new = world.upload(), world.upload()
    world.deliver(message(old), message(new, id_="m2"))
    world.dynamodb.update_item(
        TableName="predictions",
        Key={"image_key": {"S": KEY}},
        UpdateExpression="SET review = :r",
        ExpressionAttributeValues={":r": {"M": {"verdict": {"S": "RIGHT"}}}},
    )
    world.deliver(message(world.remove(version_id=version_of(old))))
    assert world.row()["review"] == {"verdict": "RIGHT"}


def test_version_that_was_in_work_when_it_was_deleted_for_ever_does_not_stand(
    world: World,
) -> None:
    # GIVEN a row of an older version, and a newer one that is deleted while the endpoint looks
    old = world.upload()
    world.deliver(message(old))
    new = world.upload()

    def meanwhile(_index: int) -> Json:
        world.deliver(message(world.remove(version_id=version_of(new))))
        return no_dog()

    world.endpoint.reply = meanwhile
    # THEN the older one's row stays: it is the current version again
    assert world.deliver(message(new)) == []
    assert (world.row()["status"], world.row()["version_id"]) == ("CLASSIFIED", version_of(old))
    assert list(world.thumbnails()) == [world.row()["thumbnail"]]


def test_photo_that_was_in_work_when_it_was_deleted_leaves_no_thumbnail(world: World) -> None:
    def meanwhile(_index: int) -> Json:
        world.deliver(message(world.remove()))
        return no_dog()

    world.endpoint.reply = meanwhile
    assert world.deliver(message(world.upload())) == []
    assert world.row()["status"] == "DELETED"
    assert world.thumbnails() == {}


def test_current_version_that_is_deleted_for_ever_gives_way_to_the_one_before(
    world: World,
) -> None:
    old, new = world.upload(data=picture(size=(90, 30))), world.upload()
    world.deliver(message(old), message(new, id_="m2"))
    gone = world.remove(version_id=version_of(new))
    assert world.deliver(message(gone)) == []
    row = world.row()
    assert (row["version_id"], row["width"]) == (version_of(old), 90)
    assert row["size_bytes"] == len(picture(size=(90, 30)))
    assert list(world.thumbnails()) == [row["thumbnail"]]


def test_only_version_that_is_deleted_for_ever_is_a_deleted_photo(world: World) -> None:
    up = world.upload()
    world.deliver(message(up))
    assert world.deliver(message(world.remove(version_id=version_of(up)))) == []
    assert world.row()["status"] == "DELETED"
    assert world.thumbnails() == {}


def test_marker_above_another_marker_is_removed_and_the_photo_stays_deleted(world: World) -> None:
    world.deliver(message(world.upload()))
    first, second = world.remove(), world.remove()
    world.deliver(message(first), message(second, id_="m2"))
    assert world.deliver(message(world.remove(version_id=version_of(second)))) == []
    assert world.row()["status"] == "DELETED"


def test_photo_that_is_back_and_cannot_be_read_is_rejected(world: World) -> None:
    world.upload(data=b"text")
    marker = world.remove()
    world.deliver(message(marker))
    assert world.deliver(message(world.remove(version_id=version_of(marker)))) == []
    assert (world.row()["status"], world.row()["reason"]["code"]) == ("REJECTED", "NOT_AN_IMAGE")


def test_archived_photo_that_is_back_is_told_as_archived(world: World) -> None:
    sent = archive(world)
    marker = world.remove()
    world.deliver(message(sent), message(marker, id_="m2"))
    world.deliver(message(world.remove(version_id=version_of(marker))))
    row = world.row()
    assert (row["reason"]["code"], row["version_id"]) == ("ARCHIVED", version_of(sent))


def test_restored_photo_waits_for_a_removal_that_leaves_its_row(world: World) -> None:
    # GIVEN an archived photo with its row, and an older version that is deleted for ever
    old, cold = world.upload(), archive(world)
    world.deliver(message(old), message(cold, id_="m2"))
    gone, event = world.remove(version_id=version_of(old)), restore(world, cold)
    # WHEN the photo is restored at the same time
    batch = message(gone, id_="gone"), message(event, id_="restored")
    assert world.deliver(*batch) == ["restored"]
    assert world.deliver(batch[1]) == []
    # THEN it is answered all the same
    assert world.row()["status"] == "CLASSIFIED"


def test_restored_version_of_a_deleted_photo_stays_deleted(world: World) -> None:
    cold = archive(world)
    world.deliver(message(cold))
    world.deliver(message(world.remove()))
    assert world.deliver(message(restored(cold))) == []
    assert world.row()["status"] == "DELETED"


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


@pytest.mark.parametrize(
    "operation", ["list_object_versions", "list_objects_v2", "delete_object", "put_item"]
)
def test_deletion_that_fails_half_way_is_tried_again(world: World, operation: str) -> None:
    world.deliver(message(world.upload()))
    sent = message(world.remove())
    fault = throttled(operation)
    faulty = world.dynamodb if operation == "put_item" else world.s3
    faulty.faults[operation] = [fault]
    # WHEN it fails, THEN the message comes back while the thumbnail is there
    assert world.deliver(sent) == ["m1"]
    assert world.thumbnails()
    # AND the next try does it all, however often that one fails
    again = message(json.loads(sent["body"])["Records"][0], receive_count=2)
    faulty.faults[operation] = [throttled(operation)]
    assert world.deliver(again) == ["m1"]
    assert world.deliver(again) == []
    assert world.row()["status"] == "DELETED"
    assert world.thumbnails() == {}


def test_removal_whose_row_changes_while_it_is_looked_at_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch, logs: io.StringIO
) -> None:
    # GIVEN a removal that leaves the row, and a newer version that is answered meanwhile
    old, new = world.upload(), world.upload()
    world.deliver(message(old), message(new, id_="m2"))
    gone = message(world.remove(version_id=version_of(old)))
    look = handler.PORTS.current_version

    def meanwhile(removal: Upload) -> Upload:
        monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, current_version=look))
        found = look(removal)
        world.deliver(message(world.upload()))
        return found

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, current_version=meanwhile))
    assert world.deliver(gone) == ["m1"]
    (back,) = lines(logs, "Photo goes back to the queue")
    assert back["error"] == "the row has changed meanwhile"
    assert world.deliver(gone) == []


def test_removal_that_fails_in_unknown_ways_is_retried(world: World) -> None:
    world.deliver(message(world.upload()))
    world.dynamodb.faults["update_item"] = [throttled("UpdateItem")]
    old = world.upload()
    world.deliver(message(world.upload()))
    sent = message(world.remove(version_id=version_of(old)))
    assert world.deliver(sent) == ["m1"]
    assert world.deliver(sent) == []


def test_versions_that_are_uploaded_and_deleted_in_one_message_end_as_the_last_event(
    world: World,
) -> None:
    first = world.upload()
    marker, again = world.remove(), world.upload()
    last = world.remove()
    assert world.deliver(message(last, again, first, marker)) == []
    assert world.row()["sequencer"] == padded(last)
    assert world.endpoint.calls == []


def test_photo_that_vanishes_between_the_list_and_the_read_is_a_counted_skip(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    up = world.upload()
    world.deliver(message(up))
    marker = world.remove()
    world.deliver(message(marker))
    back = world.remove(version_id=version_of(marker))
    gone: list[Json] = []
    read: Callable[[Upload], bytes] = handler.PORTS.read_object

    def too_late(upload: Upload) -> bytes:
        gone.append(world.remove(version_id=version_of(up)))
        return read(upload)

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, read_object=too_late))
    assert world.deliver(message(back)) == []
    assert world.row()["status"] == "DELETED"
    # AND the event of that removal is the last word
    assert world.deliver(message(*gone)) == []
    assert world.row()["sequencer"] == padded(gone[0])


def test_many_removals_are_looked_at_together(world: World) -> None:
    up = [world.upload(f"uploads/{n}.jpg") for n in range(10)]
    world.deliver(*messages(up))
    gone = [world.remove(f"uploads/{n}.jpg") for n in range(10)]
    assert world.deliver(*messages(gone)) == []
    assert {row["status"] for row in world.rows().values()} == {"DELETED"}
    assert world.thumbnails() == {}


def test_two_deliveries_of_a_removal_that_see_different_things_leave_no_thumbnail(
    world: World,
) -> None:
    # GIVEN a photo that is back, and is answered again
    up = world.upload()
    marker = world.remove()
    back = message(world.remove(version_id=version_of(marker)))

    def meanwhile(_index: int) -> Json:
        # WHEN it is deleted for ever meanwhile, and the event comes once more before that one
        world.remove(version_id=version_of(up))
        world.deliver(back)
        return no_dog()

    world.endpoint.reply = meanwhile
    assert world.deliver(back) == []
    assert world.row()["status"] == "DELETED"
    assert world.thumbnails() == {}


def test_late_event_of_a_marker_that_is_removed_leaves_the_thumbnail(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a deletion in work: it has seen that the photo is gone
    world.deliver(message(world.upload()))
    before = world.row()
    marker = world.remove()
    look = handler.PORTS.current_version

    def meanwhile(removal: Upload) -> Upload:
        try:
            return look(removal)
        finally:
            monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, current_version=look))
            # WHEN its marker is removed, and the event of that is worked on first
            world.deliver(message(world.remove(version_id=version_of(marker))))

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, current_version=meanwhile))
    assert world.deliver(message(marker)) == []
    # THEN the row stands, with its picture
    assert world.row()["classified_at"] == before["classified_at"]
    assert list(world.thumbnails()) == [before["thumbnail"]]


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
