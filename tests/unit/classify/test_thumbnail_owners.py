"""A thumbnail goes with its row: what was replaced, deleted or tried in vain leaves none."""

import io

from classify.rows import thumbnail_key, thumbnails_of

from tests.unit.classify.test_batch_log import lines
from tests.unit.classify.world import (
    BUCKET,
    KEY,
    Json,
    World,
    client_error,
    message,
    no_dog,
    picture,
    prediction,
    throttled,
    version_of,
)


def test_thumbnail_of_the_row_before_is_deleted_once_the_new_row_stands(world: World) -> None:
    world.deliver(message(world.upload()))
    first = world.row()["thumbnail"]
    world.dynamodb.faults["put_item"] = [throttled("PutItem")]
    new = message(world.upload())
    # WHEN the new row is not written, THEN the old thumbnail stays
    assert world.deliver(new) == ["m1"]
    assert first in world.thumbnails()
    assert world.deliver(new) == []
    assert list(world.thumbnails()) == [world.row()["thumbnail"]]
    assert world.row()["thumbnail"] != first


def test_new_version_that_is_rejected_takes_the_thumbnail_along(world: World) -> None:
    world.deliver(message(world.upload()))
    world.deliver(message(world.upload(data=b"text")))
    assert world.thumbnails() == {}


def test_photo_that_the_model_refuses_has_no_thumbnail(world: World) -> None:
    world.endpoint.faults = [client_error("ModelError", OriginalStatusCode=400)]
    world.deliver(message(world.upload()))
    assert world.row()["reason"]["code"] == "MODEL_REFUSED"
    assert world.thumbnails() == {}


def test_rejected_photo_costs_no_request_for_a_thumbnail(world: World) -> None:
    sent = message(world.upload(data=b"text"))
    world.s3.calls.clear()
    world.deliver(sent)
    assert world.s3.calls == ["get_object"]


def test_photo_that_lost_to_a_newer_version_leaves_no_thumbnail(world: World) -> None:
    old = world.upload()

    def meanwhile(_index: int) -> Json:
        world.endpoint.reply = lambda _index: prediction()
        world.deliver(message(world.upload()))
        return no_dog()

    world.endpoint.reply = meanwhile
    assert world.deliver(message(old)) == []
    assert world.row()["status"] == "CLASSIFIED"
    assert list(world.thumbnails()) == [world.row()["thumbnail"]]


def test_photo_that_was_answered_twice_at_once_keeps_its_thumbnail(world: World) -> None:
    sent = message(world.upload())

    def meanwhile(_index: int) -> Json:
        world.endpoint.reply = lambda _index: prediction()
        world.deliver(sent)
        return prediction()

    world.endpoint.reply = meanwhile
    assert world.deliver(sent) == []
    assert list(world.thumbnails()) == [world.row()["thumbnail"]]


def test_outage_writes_a_thumbnail_once_and_not_at_every_try(world: World) -> None:
    sent = world.upload()
    world.endpoint.faults = [client_error("ThrottlingException")] * 20
    world.s3.calls.clear()
    for receive_count in range(1, 6):
        world.deliver(message(sent, receive_count=receive_count))
    assert world.s3.calls.count("put_object") == 1
    world.endpoint.faults.clear()
    world.deliver(message(sent, receive_count=6))
    assert list(world.thumbnails()) == [world.row()["thumbnail"]]


def orphan(world: World, sequencer: str, key: str = KEY) -> str:
    """What a try that ended too early has left."""
    name = thumbnail_key(key, sequencer.ljust(32, "0"))
    world.s3.put_object(Bucket=BUCKET, Key=name, Body=picture())
    return name


def test_next_delivery_tidies_up_after_a_try_that_ended_before_it_could(world: World) -> None:
    world.deliver(message(world.upload()))
    sent = world.upload()
    world.deliver(message(sent))
    left = orphan(world, "0")
    # WHEN the message comes once more, as it does after a crash
    assert world.deliver(message(sent, receive_count=2)) == []
    assert list(world.thumbnails()) == [world.row()["thumbnail"]]
    assert left not in world.thumbnails()


def test_try_that_ended_before_its_photo_was_deleted_leaves_nothing(world: World) -> None:
    sent = world.upload()
    gone = world.remove()
    world.deliver(message(gone))
    orphan(world, sent["s3"]["object"]["sequencer"])
    assert world.deliver(message(sent, receive_count=2)) == []
    assert world.thumbnails() == {}


def test_try_that_ended_before_its_version_was_deleted_for_ever_leaves_nothing(
    world: World,
) -> None:
    old = world.upload()
    world.deliver(message(old))
    new = world.upload()
    orphan(world, new["s3"]["object"]["sequencer"])
    world.remove(version_id=version_of(new))
    assert world.deliver(message(new, receive_count=2)) == []
    assert list(world.thumbnails()) == [world.row()["thumbnail"]]


def test_try_that_ended_before_the_row_outlived_its_version_leaves_nothing(world: World) -> None:
    old = world.upload()
    world.deliver(message(old))
    new = world.upload()
    orphan(world, new["s3"]["object"]["sequencer"])
    # GIVEN the removal of the new version, which leaves the old one's row, is told of first
    world.deliver(message(world.remove(version_id=version_of(new))))
    assert world.deliver(message(new, receive_count=2)) == []
    assert list(world.thumbnails()) == [world.row()["thumbnail"]]


def test_tries_of_an_older_version_leave_nothing_beside_the_newest(world: World) -> None:
    old = world.upload()
    orphan(world, old["s3"]["object"]["sequencer"])
    new = world.upload()
    batch = message(old, id_="old", receive_count=2), message(new, id_="new")
    assert world.deliver(*batch) == []
    assert list(world.thumbnails()) == [world.row()["thumbnail"]]


def test_first_delivery_looks_for_nothing_to_tidy_up(world: World) -> None:
    old, new = world.upload(), world.upload()
    world.deliver(message(new))
    world.s3.calls.clear()
    assert world.deliver(message(old)) == []
    assert world.s3.calls == []


def test_deletion_takes_every_thumbnail_from_before_it_and_no_later_one(world: World) -> None:
    world.deliver(message(world.upload()))
    orphan(world, "0")
    other = orphan(world, "0", "uploads/other.jpg")
    gone = world.remove()
    later = orphan(world, "FF")
    world.deliver(message(gone))
    assert set(world.thumbnails()) == {other, later}


def test_thumbnail_that_is_not_deleted_is_told_and_costs_no_row(
    world: World, logs: io.StringIO
) -> None:
    world.deliver(message(world.upload()))
    first = world.row()["thumbnail"]
    world.s3.faults["delete_object"] = [throttled("DeleteObject")]
    assert world.deliver(message(world.upload())) == []
    (line,) = lines(logs, "Thumbnail left behind")
    assert line["thumbnail"] == first


def test_prefix_of_a_key_is_no_other_keys() -> None:
    assert thumbnails_of("uploads/a") != thumbnails_of("uploads/b")
    assert thumbnail_key("uploads/a", "B").startswith(thumbnails_of("uploads/a"))
