"""Removals that fail half way, come late, or meet others."""

import io
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from classify import handler
from classify.events import Upload

from tests.unit.classify.test_batch_log import lines
from tests.unit.classify.world import (
    Json,
    World,
    message,
    messages,
    no_dog,
    padded,
    throttled,
    version_of,
)


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
