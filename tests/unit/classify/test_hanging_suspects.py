"""A suspect that hangs takes time from no more than it must."""

import io
import json
import threading
import time
from dataclasses import replace

import pytest
from botocore.exceptions import ReadTimeoutError
from classify import handler
from classify.events import Upload
from classify.rows import Written

from tests.unit.classify.test_faults import URL
from tests.unit.classify.world import (
    Context,
    Json,
    World,
    answer,
    message,
    picture,
    prediction,
    uploads,
)


class Clock:
    """Time left of the invocation, in seconds; calls to the endpoint take some of it."""

    def __init__(self) -> None:
        self.left_s = 60.0

    def context(self) -> Context:
        return Context(lambda: int(self.left_s * 1000))


def test_suspect_that_hangs_takes_time_from_no_more_than_it_must(world: World) -> None:
    # GIVEN ten suspects, the oldest of which makes the endpoint hang until the time-out
    clock = Clock()
    sent = uploads(world, 10, 3)
    slow = picture(size=(61, 40))
    sent[0] = message(world.upload("uploads/slow.jpg", slow), id_="slow", receive_count=3)
    rows_before: list[int] = []

    def invoke(Body: bytes, **_: object) -> Json:  # noqa: N803 - boto3's name
        clock.left_s -= 0.2
        rows_before.append(len(world.rows()))
        if len(rows_before) == 4:
            clock.left_s -= 20
            raise ReadTimeoutError(endpoint_url=URL)
        count = len(json.loads(Body)["instances"])
        return {"Body": io.BytesIO(answer([prediction()] * count))}

    world.endpoint.invoke_endpoint = invoke  # type: ignore[assignment, method-assign]
    failed = world.deliver(*sent, context=clock.context())
    # THEN it alone goes back
    assert len(failed) == 1
    assert len(world.rows()) == 9


def test_two_that_hang_leave_the_third_to_the_next_time(world: World) -> None:
    clock = Clock()

    def hang(**_: object) -> Json:
        clock.left_s -= 20
        raise ReadTimeoutError(endpoint_url=URL)

    world.endpoint.invoke_endpoint = hang  # type: ignore[method-assign, assignment]
    assert len(world.deliver(*uploads(world, 3, 3), context=clock.context())) == 3
    # 60 s, 40 s, and 20 s are too few for one more.
    assert clock.left_s == 20


def test_suspect_that_is_read_for_ever_leaves_half_of_the_time_to_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN 0.8 s more than one endpoint call may need
    left_s = handler.PORTS.endpoint_worst_case_s + 0.8
    hang, read = threading.Event(), handler.PORTS.read_object
    hung: list[str] = []
    started_s = time.monotonic()

    def first_hangs(upload: Upload) -> bytes:
        if not hung:
            hung.append(upload.key)
            hang.wait(timeout=30)
        return read(upload)

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, read_object=first_hangs))
    context = Context(lambda: int(1000 * (left_s - (time.monotonic() - started_s))))
    try:
        failed = world.deliver(*uploads(world, 2, 3), context=context)
        assert len(failed) == 1
        assert len(world.rows()) == 1
    finally:
        hang.set()


def test_write_that_hangs_takes_no_time_from_the_next_suspect(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classify.writes.WRITE_RESERVE_S", 0.2)
    put, hang = handler.PORTS.put_row, threading.Event()
    hung: list[Json] = []

    def first_hangs(row: Json) -> Written:
        if not hung:
            hung.append(row)
            hang.wait(timeout=30)
        return put(row)

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, put_row=first_hangs))
    try:
        assert len(world.deliver(*uploads(world, 2, 3))) == 1
        assert len(world.rows()) == 1
    finally:
        hang.set()
