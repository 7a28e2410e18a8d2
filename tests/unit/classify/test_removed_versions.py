"""A version or a delete marker is removed: what stands under the key then has the row."""

from classify.rows import thumbnail_key

from tests.unit.classify.test_archived import archive, restore, restored
from tests.unit.classify.world import KEY, Json, World, message, no_dog, padded, picture, version_of


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
