"""The small JPEG beside every answered row: what it is, and that no row ever depends on it."""

import io
import struct
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from classify import handler, thumbnails, writes
from classify.deadline import Deadline
from classify.errors import RetryableError
from classify.events import Upload
from classify.images import shrink
from classify.rows import Known, Written, thumbnail_key, thumbnails_of
from PIL import Image

from photo_reader import MAX_PIXELS
from rigs import heic
from tests.unit.classify.test_batch_log import lines
from tests.unit.classify.test_delivery import metrics_in, throttled
from tests.unit.classify.world import (
    BUCKET,
    Context,
    Json,
    World,
    client_error,
    message,
    messages,
    no_dog,
    picture,
    prediction,
    version_of,
)

KEY = "uploads/rex.jpg"
PLACE = "59.9139N 10.7522E"


# ------------------------------------------------------------------------------------ what it is


def test_thumbnail_is_the_small_upright_jpeg_and_may_be_kept_by_the_browser_alone(
    world: World,
) -> None:
    world.deliver(message(world.upload(data=heic.TURNED)))
    stored = world.thumbnails()[world.row()["thumbnail"]]
    assert stored["ContentType"] == "image/jpeg"
    assert stored["CacheControl"] == "private, max-age=86400, immutable"
    body = stored["Body"].read()
    assert body == shrink(heic.TURNED, MAX_PIXELS).jpeg
    image = Image.open(io.BytesIO(body))
    assert (image.format, image.size) == ("JPEG", (64, 96))


def test_photo_without_a_dog_has_a_thumbnail_and_a_rejected_one_has_none(world: World) -> None:
    world.endpoint.reply = lambda _index: no_dog()
    sent = [world.upload("uploads/a.jpg"), world.upload("uploads/b.jpg", b"text")]
    world.deliver(*messages(sent))
    assert list(world.thumbnails()) == [world.row("uploads/a.jpg")["thumbnail"]]


def test_thumbnail_lies_where_no_event_is_sent_from(world: World) -> None:
    world.deliver(message(world.upload()))
    assert all(key.startswith("thumbnails/") for key in world.thumbnails())


def segments(jpeg: bytes) -> dict[str, bytes]:
    """Marker -> content, of everything before the pixels."""
    found, at = {}, 2
    while jpeg[at + 1] != 0xDA:
        (length,) = struct.unpack(">H", jpeg[at + 2 : at + 4])
        found[f"{jpeg[at + 1]:02X}"] = jpeg[at + 4 : at + 2 + length]
        at += 2 + length
    return found


def told_all() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    exif[0x013B] = "Ada Owner"
    exif[0x8298] = PLACE
    exif.get_ifd(0x8825)[29] = "2026:11:25"
    return exif


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("JPEG", {"comment": PLACE.encode(), "xmp": PLACE.encode()}),
        ("PNG", {}),
        ("WEBP", {"xmp": PLACE.encode()}),
        ("TIFF", {"description": PLACE}),
        ("GIF", {"comment": PLACE.encode()}),
    ],
)
def test_thumbnail_tells_neither_place_nor_owner(format_: str, options: Json) -> None:
    if format_ not in ("GIF", "TIFF"):
        options = options | {"exif": told_all()}
    photo = picture(format_, **options)
    assert PLACE.encode() in photo
    jpeg = shrink(photo, MAX_PIXELS).jpeg
    # No APP1 (EXIF, XMP), no APP2 (profiles), no APP13 (IPTC), no comment; nothing of the text.
    assert segments(jpeg).keys() <= {"E0", "DB", "C0", "C4"}
    assert PLACE.encode() not in jpeg
    assert b"Ada" not in jpeg


# --------------------------------------------------------------- no row waits for it or fails by it


@pytest.mark.parametrize("fault", [throttled("PutObject"), ZeroDivisionError("a bug")], ids=str)
def test_thumbnail_that_fails_costs_no_row_and_no_try_and_is_told(
    world: World,
    fault: Exception,
    capsys: pytest.CaptureFixture[str],
    logs: io.StringIO,
) -> None:
    sent = message(world.upload())
    world.s3.faults["put_object"] = [fault]
    assert world.deliver(sent) == []
    row = world.row()
    assert row["status"] == "CLASSIFIED"
    assert world.thumbnails() == {}
    counted = metrics_in(capsys.readouterr().out)
    assert (counted["ThumbnailsLeftBehind"], counted["UploadsAnswered"]) == (1, 1)
    (line,) = lines(logs, "Thumbnail left behind")
    assert (line["thumbnail"], line["level"]) == (row["thumbnail"], "WARNING")
    assert str(fault) in line["error"]


def test_thumbnails_that_are_written_are_not_told(
    world: World, capsys: pytest.CaptureFixture[str], logs: io.StringIO
) -> None:
    world.deliver(message(world.upload()))
    assert "ThumbnailsLeftBehind" not in metrics_in(capsys.readouterr().out)
    assert lines(logs, "Thumbnail left behind") == []


def hanging(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Writes of thumbnails hang until it is set."""
    put, hang = handler.PORTS.put_thumbnail, threading.Event()

    def wait_first(upload: Upload, jpeg: bytes) -> None:
        hang.wait(timeout=30)
        put(upload, jpeg)

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, put_thumbnail=wait_first))
    return hang


def test_row_is_written_while_its_thumbnail_hangs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang, put = hanging(monkeypatch), handler.PORTS.put_row

    def release(row: Json) -> Written:
        written = put(row)
        hang.set()
        return written

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, put_row=release))
    # The thumbnail comes after the row: were it the other way round, neither would come.
    assert world.deliver(message(world.upload())) == []
    assert list(world.thumbnails()) == [world.row()["thumbnail"]]


def test_thumbnail_that_hangs_is_left_behind_when_its_time_is_over(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    logs: io.StringIO,
) -> None:
    monkeypatch.setattr(thumbnails, "FINISH_S", 0.05)
    sent = messages(world.upload(f"uploads/{n}.jpg") for n in range(6))
    hang = hanging(monkeypatch)
    try:
        assert world.deliver(*sent) == []
    finally:
        hang.set()
    assert len(world.rows()) == 6
    assert metrics_in(capsys.readouterr().out)["ThumbnailsLeftBehind"] == 6
    assert {line["error"] for line in lines(logs, "Thumbnail left behind")} == {"took too long"}


def test_thumbnails_are_waited_for_no_longer_than_others_need_the_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    whole = thumbnails.wait

    def spy(futures: Any, timeout: float) -> Any:
        waited.append(timeout)
        return whole(futures, timeout=30)

    monkeypatch.setattr(thumbnails, "wait", spy)
    for left_s, expected_s in [(60, 2.0), (5.5, 1.0), (4.5, 0.0), (1, 0.0)]:
        waited.clear()
        clock = {"s": 60.0}

        def run_out(_index: int, left_s: float = left_s, clock: Json = clock) -> Json:
            clock["s"] = left_s
            return prediction()

        world.endpoint.reply = run_out

        def remaining_ms(clock: Json = clock) -> int:
            return int(1000 * clock["s"])

        sent = message(world.upload(f"uploads/{left_s}.jpg"))
        assert world.deliver(sent, context=Context(remaining_ms)) == []
        assert waited[0] == expected_s


def test_what_is_kept_for_the_waits_of_failed_messages_is_not_spent_on_thumbnails() -> None:
    assert thumbnails.RESERVE_S >= handler.GIVE_BACK_RESERVE_S + writes.EXIT_RESERVE_S


def test_no_thread_is_left_with_a_batch_that_was_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("classify.core._Batch._take", bug)
    world.deliver(message(world.upload()))
    for thread in threading.enumerate():
        if thread.name.startswith("thumbnail"):
            thread.join(timeout=10)
    assert not [t for t in threading.enumerate() if t.name.startswith("thumbnail")]


# ------------------------------------------------------------------------------------ whose it is


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


# --------------------------------------------------------------------------- later than its row


class Rig:
    """Thumbnails over ports whose writes end when they are told to."""

    def __init__(self, known: Callable[[list[str]], dict[str, Known]]) -> None:
        self.go = threading.Event()
        self.deleted: list[str] = []

        def put(_upload: Upload, _jpeg: bytes) -> None:
            self.go.wait(timeout=30)

        ports = replace(
            handler.PORTS,
            known_rows=lambda keys: known(list(keys)),
            put_thumbnail=put,
            delete_thumbnail=lambda _bucket, key: self.deleted.append(key),
        )
        self.thumbnails = thumbnails.Thumbnails(ports, Deadline(lambda: 60_000))
        self.upload = Upload(BUCKET, KEY, "A" * 32)
        self.key = thumbnail_key(KEY, "A" * 32)

    def row_stands_before_its_thumbnail(self) -> dict[str, str]:
        self.thumbnails.write(self.upload, b"jpeg")
        self.thumbnails.row_is_written(self.upload, {"thumbnail": self.key}, Written(True))
        self.go.set()
        left = self.thumbnails.finish()
        self.thumbnails.close()
        return left


def test_thumbnail_later_than_its_row_is_kept_while_the_row_stands() -> None:
    named = thumbnail_key(KEY, "A" * 32)
    rig = Rig(lambda keys: {key: Known("A" * 32, thumbnail=named) for key in keys})
    assert rig.row_stands_before_its_thumbnail() == {}
    assert rig.deleted == []


@pytest.mark.parametrize(
    "now",
    [{KEY: Known("B" * 32, thumbnail="thumbnails/b.jpg")}, {KEY: Known("A" * 32)}, {}],
    ids=["replaced", "deleted by another delivery", "gone"],
)
def test_thumbnail_later_than_its_row_is_deleted_when_the_row_was_replaced_meanwhile(
    now: dict[str, Known],
) -> None:
    rig = Rig(lambda _keys: now)
    assert rig.row_stands_before_its_thumbnail() == {}
    assert rig.deleted == [rig.key]


def test_table_that_cannot_say_leaves_the_thumbnail_behind() -> None:
    def busy(_keys: list[str]) -> dict[str, Known]:
        raise RetryableError("busy")

    rig = Rig(busy)
    assert rig.row_stands_before_its_thumbnail() == {rig.key: "RetryableError: busy"}
    assert rig.deleted == []


def test_prefix_of_a_key_is_no_other_keys() -> None:
    assert thumbnails_of("uploads/a") != thumbnails_of("uploads/b")
    assert thumbnail_key("uploads/a", "B").startswith(thumbnails_of("uploads/a"))
