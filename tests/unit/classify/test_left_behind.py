"""No thread of a batch lives on into the next one, whatever ended the batch."""

import threading
import time
from dataclasses import replace

import pytest
from classify import handler
from classify.events import Upload
from classify.rows import Written

from tests.unit.classify.world import Context, Json, World, message, messages


def threads_left() -> list[str]:
    """Of readers and writers, once they had a moment to end."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        left = [
            t.name
            for t in threading.enumerate()
            if t.name.startswith(("read", "write", "thumbnail"))
        ]
        if not left:
            break
        time.sleep(0.01)
    return left


def test_no_thread_outlives_its_batch(world: World) -> None:
    assert world.deliver(*messages(world.upload(f"uploads/{n}.jpg") for n in range(6))) == []
    assert threads_left() == []


def test_no_thread_outlives_a_batch_that_was_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr("classify.core.rejected_row", bug)
    assert world.deliver(message(world.upload(data=b"text"))) == ["m1"]
    assert threads_left() == []


def test_reads_that_have_not_begun_when_time_is_up_never_begin(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN ten photos, four readers, and S3 that hangs for all of them
    hang, read = threading.Event(), handler.PORTS.read_object
    begun: list[str] = []

    def hanging(upload: Upload) -> bytes:
        begun.append(upload.key)
        hang.wait(timeout=30)
        return read(upload)

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, read_object=hanging))
    sent = messages(world.upload(f"uploads/{n}.jpg") for n in range(10))
    left_ms = int(1000 * (handler.PORTS.endpoint_worst_case_s + 0.5))
    try:
        assert len(world.deliver(*sent, context=Context(lambda: left_ms))) == 10
    finally:
        hang.set()
    # THEN the six others are not read behind the next batch's back
    assert threads_left() == []
    assert 1 <= len(begun) <= 4


def test_rows_that_are_not_on_their_way_when_time_is_up_are_never_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN ten rows, eight writers, and a table that hangs for all of them
    monkeypatch.setattr("classify.writes.WRITE_RESERVE_S", 0.5)
    hang, put = threading.Event(), handler.PORTS.put_row
    begun: list[str] = []

    def hanging(row: Json) -> Written:
        begun.append(row["image_key"])
        hang.wait(timeout=30)
        return put(row)

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, put_row=hanging))
    sent = messages(world.upload(f"uploads/{n}.jpg", b"text") for n in range(10))
    try:
        assert len(world.deliver(*sent)) == 10
    finally:
        hang.set()
    # THEN the two others are not written behind the next batch's back
    assert threads_left() == []
    assert 1 <= len(begun) <= 8
