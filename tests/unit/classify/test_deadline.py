"""When time gets short: nothing new starts, what is finished is written, the rest comes back."""

import threading
from concurrent.futures import wait
from dataclasses import replace
from typing import Any

import pytest
from classify import handler
from classify.clients import ENDPOINT_CONNECT_TIMEOUT_S
from classify.deadline import Deadline
from classify.errors import RetryableError
from classify.events import Upload
from classify.images import Photo
from classify.rows import Written
from classify.writes import WRITE_RESERVE_S

from tests.unit.classify.world import Context, Json, World, message, messages, prediction

ATTEMPT_S = ENDPOINT_CONNECT_TIMEOUT_S + handler.SETTINGS.endpoint_timeout_s
JUST_ENOUGH_MS = int(1000 * (ATTEMPT_S + WRITE_RESERVE_S)) + 1


class Clock:
    """Milliseconds left; falls only when told to."""

    def __init__(self, left_ms: int = 60_000) -> None:
        self.left_ms = left_ms

    def __call__(self) -> int:
        return self.left_ms


def test_time_that_is_just_enough_is_enough() -> None:
    assert Deadline(lambda: 5000).remaining_s() == 5
    Deadline(lambda: 5000).require(5, "a call")
    with pytest.raises(RetryableError, match=r"a call: 5\.0 s left, 5 s may be needed"):
        Deadline(lambda: 4999).require(5, "a call")


def test_too_little_time_at_the_start_reads_nothing(world: World) -> None:
    sent = message(world.upload())
    world.s3.calls.clear()
    assert world.deliver(sent, context=Context(Clock(JUST_ENOUGH_MS - 2))) == ["m1"]
    assert (world.s3.calls, world.endpoint.calls) == ([], [])


def test_just_enough_time_for_the_worst_case_is_used(world: World) -> None:
    # A second for reading: what is left beyond the worst case is all that reads may take.
    clock = Clock(JUST_ENOUGH_MS + 1000)
    assert world.deliver(message(world.upload()), context=Context(clock)) == []


def test_already_answered_is_acknowledged_however_short_time_is(world: World) -> None:
    sent = message(world.upload())
    world.deliver(sent)
    assert world.deliver(sent, context=Context(Clock(1000))) == []


def test_time_short_after_reading_starts_no_endpoint_call_but_writes_rejections(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN reads that use up the time the endpoint would need
    sent = [world.upload("uploads/a.jpg"), world.upload("uploads/b.jpg", b"text")]
    clock, both_read = Clock(), threading.Barrier(2)
    read = handler.PORTS.read_object

    def slow_read(upload: Upload) -> bytes:
        data = read(upload)
        both_read.wait(timeout=10)
        clock.left_ms = JUST_ENOUGH_MS - 2
        return data

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, read_object=slow_read))
    # THEN the photo comes back, and what was finished is in the table
    assert world.deliver(*messages(sent), context=Context(clock)) == ["m0"]
    assert world.endpoint.calls == []
    assert world.rows().keys() == {"uploads/b.jpg"}


def test_hanging_read_is_left_behind_and_the_rest_is_classified(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN one object that S3 never finishes sending, and two seconds for reading
    sent = [world.upload(f"uploads/{index}.jpg") for index in range(3)]
    read, clock, hang = handler.PORTS.read_object, Clock(JUST_ENOUGH_MS + 2000), threading.Event()

    def one_hangs(upload: Upload) -> bytes:
        if upload.key == "uploads/1.jpg":
            hang.wait(timeout=30)
        return read(upload)

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, read_object=one_hangs))
    try:
        assert world.deliver(*messages(sent), context=Context(clock)) == ["m1"]
        assert world.endpoint.calls == [2]
        assert world.rows().keys() == {"uploads/0.jpg", "uploads/2.jpg"}
    finally:
        hang.set()


def test_photo_is_not_read_for_longer_than_it_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN two seconds for reading, of which a photo alone may take one
    waits: list[float] = []

    def shrink(data: bytes, max_pixels: int, within_s: float) -> Photo:
        waits.append(within_s)
        return Photo(data, 1, 1)

    monkeypatch.setattr("classify.core.shrink", shrink)
    clock = Clock(JUST_ENOUGH_MS + 2000)
    for receive_count in (1, 3):
        sent = message(world.upload(), receive_count=receive_count)
        world.deliver(sent, context=Context(clock))
    together, alone = waits
    assert 1 < together <= 2
    assert 0 < alone <= 1


def test_second_request_of_a_split_batch_does_not_start_without_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a batch too large for one request, and an endpoint that takes long
    monkeypatch.setattr("classify.wire.MAX_BODY_BYTES", 1500)
    sent = [world.upload(f"uploads/{index}.jpg") for index in range(2)]
    clock = Clock()

    def slow(_index: int) -> Json:
        clock.left_ms = JUST_ENOUGH_MS - 2
        return prediction()

    world.endpoint.reply = slow
    # THEN the first half is answered and written, the second comes back
    assert world.deliver(*messages(sent), context=Context(clock)) == ["m1"]
    assert world.endpoint.calls == [1]
    assert world.rows().keys() == {"uploads/0.jpg"}


def test_failed_endpoint_call_is_not_repeated_without_time(world: World) -> None:
    clock = Clock()
    world.endpoint.reply = lambda _index: {}  # not what was agreed: retryable

    def answer_late() -> int:
        return clock.left_ms if not world.endpoint.calls else JUST_ENOUGH_MS - 2

    assert world.deliver(message(world.upload()), context=Context(answer_late)) == ["m1"]
    assert world.endpoint.calls == [1]


def test_hanging_write_is_reported_and_the_others_are_acknowledged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [world.upload(f"uploads/{index}.jpg") for index in range(3)]
    put, hang, written = handler.PORTS.put_row, threading.Event(), threading.Semaphore(0)
    clock = Clock()

    def one_hangs(row: Json) -> Written:
        if row["image_key"] == "uploads/1.jpg":
            hang.wait(timeout=30)
        done = put(row)
        written.release()
        return done

    def run_out() -> int:
        if world.endpoint.calls:  # the look at the clock while rows are being written
            for _ in range(2 if clock.left_ms == 60_000 else 0):
                assert written.acquire(timeout=10)
            clock.left_ms = 500
        return clock.left_ms

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, put_row=one_hangs))
    try:
        assert world.deliver(*messages(sent), context=Context(run_out)) == ["m1"]
    finally:
        hang.set()


def test_rows_are_waited_for_until_half_a_second_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN two seconds when the row is on its way
    clock, read = Clock(), handler.PORTS.read_object
    waited: list[float] = []

    def slow_read(upload: Upload) -> bytes:
        data = read(upload)
        clock.left_ms = 2000
        return data

    def spy(futures: Any, timeout: float) -> object:
        waited.append(timeout)
        return wait(futures, timeout=timeout)

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, read_object=slow_read))
    monkeypatch.setattr("classify.writes.wait", spy)
    assert world.deliver(message(world.upload(data=b"text")), context=Context(clock)) == []
    assert waited[-1] == 1.5
