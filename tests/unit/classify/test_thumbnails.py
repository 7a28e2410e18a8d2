"""The small JPEG beside every answered row: what it is, and that no row ever depends on it."""

import io
import struct
import threading
from dataclasses import replace
from typing import Any

import pytest
from classify import handler, thumbnails, writes
from classify.events import Upload
from classify.images import shrink
from classify.rows import Written
from PIL import Image

from photo_reader import MAX_PIXELS
from rigs import heic
from tests.unit.classify.test_batch_log import lines
from tests.unit.classify.world import (
    Context,
    Json,
    World,
    message,
    messages,
    metrics_in,
    no_dog,
    picture,
    prediction,
    throttled,
)

PLACE = "59.9139N 10.7522E"


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
