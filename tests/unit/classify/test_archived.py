"""Photos in an archive class: rejected with the class, answered once they are restored."""

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from tests.unit.classify.test_faults import aws
from tests.unit.classify.world import BUCKET, Json, World, message, no_dog, picture, record

KEY = "uploads/rex.jpg"


def archive(world: World, storage_class: str = "GLACIER", key: str = KEY) -> Json:
    """Uploads a photo straight into an archive class."""
    stored = world.s3.put_object(Bucket=BUCKET, Key=key, Body=picture(), StorageClass=storage_class)
    return record(key, f"{next(world.sequence):018X}", stored["VersionId"])


def restored(upload: Json, **changes: object) -> Json:
    """S3's event of the restored version. Its sequencer, where it has one, orders nothing."""
    described = upload["s3"]["object"] | {"sequencer": "FF"} | changes
    return upload | {
        "eventName": "ObjectRestore:Completed",
        "s3": upload["s3"] | {"object": described},
        "glacierEventData": {"restoreEventData": {"lifecycleRestoreStorageClass": "GLACIER"}},
    }


def restore(world: World, upload: Json) -> Json:
    described = upload["s3"]["object"]
    world.s3.restore_object(
        Bucket=BUCKET,
        Key=KEY,
        VersionId=described["versionId"],
        RestoreRequest={"Days": 1},
    )
    return restored(upload)


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_archived_photo_is_rejected_with_its_storage_class(
    world: World, storage_class: str
) -> None:
    assert world.deliver(message(archive(world, storage_class))) == []
    reason = world.row()["reason"]
    assert reason["code"] == "ARCHIVED"
    assert storage_class in reason["message"]
    assert "restore-object" in reason["message"]
    assert world.endpoint.calls == []


@pytest.mark.parametrize("storage_class", ["GLACIER_IR", "STANDARD_IA", "INTELLIGENT_TIERING"])
def test_photo_in_a_class_with_direct_access_is_answered(world: World, storage_class: str) -> None:
    assert world.deliver(message(archive(world, storage_class))) == []
    assert world.row()["status"] == "CLASSIFIED"


def fault(code: str, status: int, **details: str) -> Callable[[], ClientError]:
    def make() -> ClientError:
        error = aws(code, status)()
        assert isinstance(error, ClientError)
        error.response["Error"] |= details
        return error

    return make


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (
            fault(
                "InvalidObjectState",
                403,
                StorageClass="INTELLIGENT_TIERING",
                AccessTier="DEEP_ARCHIVE_ACCESS",
            ),
            "ARCHIVED",
            "INTELLIGENT_TIERING, DEEP_ARCHIVE_ACCESS",
        ),
        (fault("InvalidObjectState", 403), "ARCHIVED", "a storage class without direct access"),
        (
            fault(
                "InvalidRequest",
                400,
                Message="The object was stored using a form of Server Side Encryption. The correct "
                "parameters must be provided to retrieve the object.",
            ),
            "UNREADABLE",
            "Server Side Encryption",
        ),
        (fault("KeyTooLongError", 400), "UNREADABLE", "KeyTooLongError"),
    ],
)
def test_what_s3_says_for_ever_is_rejected_in_its_words(
    world: World, make: Callable[[], ClientError], code: str, words: str
) -> None:
    sent = message(world.upload())
    world.s3.faults["get_object"] = [make()]
    assert world.deliver(sent) == []
    reason = world.row()["reason"]
    assert reason["code"] == code
    assert words in reason["message"]


@pytest.mark.parametrize(
    "make",
    [
        fault("AccessDenied", 403),
        fault("KMS.DisabledException", 400),
        fault("KMS.KMSInvalidStateException", 400),
        fault("KMS.NotFoundException", 400),
        fault("InvalidRequest", 400, Message="Please use AWS4-HMAC-SHA256."),
        fault("InvalidArgument", 400, ArgumentName="Authorization"),
        fault("RequestTimeout", 400),
        fault("ExpiredToken", 400),
        fault("RequestTimeTooSkewed", 403),
    ],
)
def test_what_somebody_can_mend_is_retried(world: World, make: Callable[[], ClientError]) -> None:
    sent = message(world.upload())
    world.s3.faults["get_object"] = [make()]
    assert world.deliver(sent) == ["m1"]
    assert world.rows() == {}


def test_version_that_cannot_exist_is_gone(world: World) -> None:
    sent = message(world.upload())
    world.s3.faults["get_object"] = [fault("InvalidArgument", 400, ArgumentName="versionId")()]
    assert world.deliver(sent) == []
    assert world.rows() == {}


def test_restored_photo_is_answered_in_the_place_of_its_rejection(world: World) -> None:
    sent = archive(world)
    world.deliver(message(sent))
    before = world.row()
    assert world.deliver(message(restore(world, sent))) == []
    row = world.row()
    assert row["status"] == "CLASSIFIED"
    assert (row["sequencer"], row["version_id"]) == (before["sequencer"], before["version_id"])
    assert not {"reason", "status_month"} & row.keys()


def test_event_of_a_restored_photo_that_comes_again_costs_nothing(world: World) -> None:
    sent = archive(world)
    world.deliver(message(sent))
    event = message(restore(world, sent))
    world.deliver(event)
    world.s3.calls.clear()
    assert world.deliver(event) == []
    assert world.deliver(message(sent)) == []
    assert world.endpoint.calls == [1]
    assert world.s3.calls == []


def test_photo_archived_after_its_answer_costs_nothing_when_it_is_restored(world: World) -> None:
    sent = world.upload()
    world.deliver(message(sent))
    assert world.deliver(message(restored(sent))) == []
    assert world.endpoint.calls == [1]


def test_restored_old_version_leaves_the_newer_ones_row(world: World) -> None:
    old, new = archive(world), world.upload()
    world.deliver(message(new))
    assert world.deliver(message(restored(old))) == []
    assert world.row()["version_id"] == new["s3"]["object"]["versionId"]
    assert world.endpoint.calls == [1]


def test_restored_old_version_leaves_the_row_of_a_newer_archived_one(world: World) -> None:
    old, new = archive(world), archive(world)
    world.deliver(message(old), message(new, id_="m2"))
    assert world.deliver(message(restore(world, old))) == []
    row = world.row()
    assert (row["status"], row["version_id"]) == ("REJECTED", new["s3"]["object"]["versionId"])


def test_new_version_in_the_same_batch_wins_over_the_restored_one(world: World) -> None:
    old = archive(world)
    world.deliver(message(old))
    event, new = restore(world, old), world.upload()
    assert world.deliver(message(event, id_="a"), message(new, id_="b")) == []
    assert world.row()["version_id"] == new["s3"]["object"]["versionId"]


def test_new_version_written_meanwhile_wins_over_the_restored_one(world: World) -> None:
    old = archive(world)
    world.deliver(message(old))
    event, new = restore(world, old), world.upload()

    def meanwhile(_index: int) -> Json:
        world.endpoint.reply = lambda _index: no_dog()
        world.deliver(message(new))
        return no_dog()

    world.endpoint.reply = meanwhile
    assert world.deliver(message(event)) == []
    assert world.row()["version_id"] == new["s3"]["object"]["versionId"]


def test_newer_archived_version_told_of_meanwhile_wins_over_the_restored_one(
    world: World,
) -> None:
    old = archive(world)
    world.deliver(message(old))
    event = restore(world, old)
    new = archive(world)

    def meanwhile(_index: int) -> Json:
        world.endpoint.reply = lambda _index: no_dog()
        world.deliver(message(new))
        return no_dog()

    world.endpoint.reply = meanwhile
    assert world.deliver(message(event)) == []
    row = world.row()
    assert (row["status"], row["version_id"]) == ("REJECTED", new["s3"]["object"]["versionId"])


def test_restored_photo_without_a_row_is_answered_and_gives_way_to_any_upload(
    world: World,
) -> None:
    # GIVEN a photo from before the stack, or whose row has expired
    old = archive(world)
    assert world.deliver(message(restore(world, old))) == []
    assert world.row()["sequencer"] == "0" * 32
    # WHEN its upload is told of later, or a new version comes
    assert world.deliver(message(old)) == []
    assert world.row()["sequencer"] == old["s3"]["object"]["sequencer"].ljust(32, "0")
    assert world.endpoint.calls == [1, 1]


def test_restored_photo_that_is_archived_again_before_its_turn_stays_rejected(
    world: World,
) -> None:
    sent = archive(world)
    world.deliver(message(sent))
    # No restore: the copy has expired, or the event is somebody's invention.
    assert world.deliver(message(restored(sent))) == []
    assert world.row()["reason"]["code"] == "ARCHIVED"


@pytest.mark.parametrize("missing", ["sequencer", "versionId"])
def test_event_of_a_restored_photo_needs_neither_sequencer_nor_version(
    world: World, missing: str
) -> None:
    sent = archive(world)
    world.deliver(message(sent))
    event = restore(world, sent)
    del event["s3"]["object"][missing]
    assert world.deliver(message(event)) == []
    row = world.row()
    assert (row["status"], row["version_id"]) == ("CLASSIFIED", sent["s3"]["object"]["versionId"])


def test_event_without_version_about_other_bytes_leaves_the_row(world: World) -> None:
    sent = archive(world)
    world.deliver(message(sent))
    event = restore(world, sent)
    event = restored(event, eTag="another")
    del event["s3"]["object"]["versionId"]
    assert world.deliver(message(event)) == []
    assert world.row()["status"] == "REJECTED"


@pytest.mark.parametrize("name", ["ObjectRestore:Post", "ObjectRestore:Delete"])
def test_other_events_of_a_restore_are_ignored(world: World, name: str) -> None:
    sent = archive(world)
    world.deliver(message(sent))
    assert world.deliver(message(restored(sent) | {"eventName": name})) == []
    assert world.row()["status"] == "REJECTED"


def test_two_restored_versions_without_a_row_are_both_done_with(world: World) -> None:
    old, new = archive(world), archive(world)
    events = [message(restore(world, each), id_=str(n)) for n, each in enumerate((old, new))]
    assert world.deliver(*events) == []
    assert world.row()["status"] == "CLASSIFIED"


def test_upload_and_its_restore_in_one_batch_are_one_endpoint_call(world: World) -> None:
    # GIVEN a photo that was restored while its upload waited
    sent = archive(world)
    event = restore(world, sent)
    assert world.deliver(message(event, id_="a"), message(sent, id_="b")) == []
    assert world.row()["sequencer"] == sent["s3"]["object"]["sequencer"].ljust(32, "0")
    assert world.endpoint.calls == [1]
