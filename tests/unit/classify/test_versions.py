"""Duplicates and versions of one key: answered once, and the newest stands."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.classify.world import (
    BUCKET,
    Json,
    Memory,
    World,
    deliver,
    message,
    messages,
    metrics_in,
    picture,
    prediction,
    record,
    throttled,
)

JPEG = picture()


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
