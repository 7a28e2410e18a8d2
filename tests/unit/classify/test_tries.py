"""What fails comes back after a while, alone when it failed before, and takes no other along."""

import io
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from classify import handler
from classify.errors import RetryableError
from classify.events import Upload
from classify.rows import Written
from classify.waits import wait_s
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.classify.test_delivery import metrics_in, throttled
from tests.unit.classify.test_faults import URL, aws, model_error
from tests.unit.classify.world import (
    Context,
    Json,
    World,
    answer,
    message,
    messages,
    picture,
    prediction,
)

RECEIPTS = [f"receipt of m{index}" for index in range(10)]


def waits(chance: float, tries: int = 10) -> list[int]:
    return [wait_s(n, 5, 900, lambda: chance) for n in range(1, tries + 1)]


# ------------------------------------------------------------------------------ how long they wait


def test_waits_double_from_seconds_to_a_quarter_of_an_hour() -> None:
    assert waits(1) == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_luck_takes_off_a_quarter_at_most() -> None:
    assert waits(0) == [4, 8, 15, 30, 60, 120, 240, 480, 675, 675]


@given(st.integers(1, 10_000), st.floats(1, 100), st.floats(1, 50_000), st.floats(0, 1, width=32))
def test_wait_is_whole_seconds_within_its_bounds(
    tries: int, first_s: float, longest_s: float, chance: float
) -> None:
    wait = wait_s(tries, first_s, longest_s, lambda: chance)
    assert isinstance(wait, int)
    assert 1 <= wait <= max(1, longest_s + 0.5)


def test_two_waits_are_not_the_same() -> None:
    assert len({wait_s(9, 5, 900) for _ in range(50)}) > 10


def test_each_failed_message_waits_as_its_own_receives_say_and_the_others_do_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [
        message(world.upload(f"uploads/{receives}.jpg"), id_=str(receives), receive_count=receives)
        for receives in (1, 2, 5)
    ]
    sent.append(message(world.upload("uploads/answered.jpg"), id_="answered"))

    def fail(key: str) -> None:
        if "answered" not in key:
            raise RetryableError("not now")

    spy_on_reads(world, monkeypatch, fail)
    assert world.deliver(*sent) == ["1", "2", "5"]
    first, second, fifth = (world.queue.waits.pop(f"receipt of {n}") for n in (1, 2, 5))
    assert (4 <= first <= 5, 8 <= second <= 10, 60 <= fifth <= 80) == (True, True, True)
    assert world.queue.waits == {}


def test_fifth_failure_waits_longer(world: World) -> None:
    world.s3.faults["get_object"] = [throttled("GetObject")]
    assert world.deliver(message(world.upload(), receive_count=5)) == ["m1"]
    assert 60 <= world.queue.waits["receipt of m1"] <= 80


def test_batch_without_failures_does_not_speak_to_the_queue(world: World) -> None:
    assert world.deliver(message(world.upload())) == []
    assert world.queue.calls == []


def test_lost_batch_waits_too(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    sent = messages(world.upload(f"uploads/{index}.jpg") for index in range(3))
    world.dynamodb.faults["batch_get_item"] = [ZeroDivisionError("bug")]
    assert world.deliver(*sent) == ["m0", "m1", "m2"]
    assert world.queue.waits.keys() == set(RECEIPTS[:3])
    assert metrics_in(capsys.readouterr().out) == {"UploadsAnswered": 0, "RetriesReported": 3}


def test_message_that_cannot_be_read_hurries_to_the_dead_letter_queue(world: World) -> None:
    assert world.deliver(message(body="?", receive_count=9)) == ["m1"]
    assert world.queue.waits["receipt of m1"] <= 5


@pytest.mark.parametrize(
    "fault", [throttled("ChangeMessageVisibilityBatch"), "ReceiptHandleIsInvalid"]
)
def test_queue_that_does_not_take_the_waits_loses_nothing(
    world: World, logs: io.StringIO, fault: Exception | str
) -> None:
    world.s3.faults["get_object"] = [throttled("GetObject")]
    world.queue.faults = [fault]
    assert world.deliver(message(world.upload())) == ["m1"]
    assert "Waits not set" in logs.getvalue()


def test_no_wait_is_set_when_time_is_up(world: World) -> None:
    assert world.deliver(message(world.upload()), context=Context(lambda: 3000)) == ["m1"]
    assert world.queue.calls == []


def test_every_ten_messages_are_one_call_and_a_failed_call_stops_no_other(world: World) -> None:
    world.queue.faults = [throttled("ChangeMessageVisibilityBatch")]
    sent = [message(body="?", id_=f"m{index}") for index in range(25)]
    assert len(world.deliver(*sent)) == 25
    assert world.queue.calls == ["change"] * 3
    assert len(world.queue.waits) == 15


@pytest.mark.parametrize(("receives", "counted"), [(4, None), (5, 1), (6, 1)])
def test_photo_that_failed_five_times_is_counted_for_the_alarm(
    world: World, capsys: pytest.CaptureFixture[str], receives: int, counted: int | None
) -> None:
    world.s3.faults["get_object"] = [throttled("GetObject")]
    world.deliver(message(world.upload(), receive_count=receives))
    metrics = metrics_in(capsys.readouterr().out)
    assert (metrics["RetriesReported"], metrics.get("RepeatedRetries")) == (1, counted)


def test_answered_at_the_fifth_receive_is_not_counted_for_the_alarm(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.deliver(message(world.upload(), receive_count=5))
    assert "RepeatedRetries" not in metrics_in(capsys.readouterr().out)


# --------------------------------------------------------------------------------- alone, and last


def uploads(world: World, count: int, receive_count: int, name: str = "uploads") -> list[Json]:
    records = [world.upload(f"uploads/{name}-{index}.jpg") for index in range(count)]
    return [
        message(each, id_=f"{name}-{index}", receive_count=receive_count)
        for index, each in enumerate(records)
    ]


@pytest.mark.parametrize(
    ("receives", "calls"), [(1, [3]), (2, [3]), (3, [1, 1, 1]), (9, [1, 1, 1])]
)
def test_what_failed_twice_is_sent_alone(world: World, receives: int, calls: list[int]) -> None:
    assert world.deliver(*uploads(world, 3, receives)) == []
    assert world.endpoint.calls == calls


def test_photo_that_breaks_the_endpoint_takes_no_neighbour_with_it(world: World) -> None:
    # GIVEN three photos received for the third time, of which the second one asked breaks it
    sent = uploads(world, 3, 3)
    fine = answer([prediction()])
    world.endpoint.faults = [fine, model_error(500)(), fine]
    # THEN each was sent alone, once, and only that one goes back
    assert len(world.deliver(*sent)) == 1
    assert len(world.rows()) == 2
    assert world.endpoint.calls == [1, 1, 1]


def test_bug_that_one_photo_wakes_takes_no_neighbour_with_it(world: World) -> None:
    world.endpoint.faults = [ZeroDivisionError("bug"), answer([prediction()])]
    assert len(world.deliver(*uploads(world, 2, 3))) == 1
    assert len(world.rows()) == 1


def spy_on_reads(
    world: World, monkeypatch: pytest.MonkeyPatch, look: Callable[[str], None]
) -> None:
    read = handler.PORTS.read_object

    def looking(upload: Upload) -> bytes:
        look(upload.key)
        return read(upload)

    monkeypatch.setattr(handler, "PORTS", replace(handler.PORTS, read_object=looking))


def test_fresh_photos_have_their_rows_and_are_acknowledged_before_a_suspect_is_touched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a suspect that comes first in the batch and in sequencer order
    sent = [*uploads(world, 1, 3, "suspect"), *uploads(world, 4, 2, "fresh")]
    seen: dict[str, tuple[set[str], list[str]]] = {}
    spy_on_reads(
        world,
        monkeypatch,
        lambda key: seen.update({key: (set(world.rows()), list(world.queue.deleted))}),
    )
    assert world.deliver(*sent) == []
    rows, deleted = seen["uploads/suspect-0.jpg"]
    assert rows == {f"uploads/fresh-{index}.jpg" for index in range(4)}
    assert deleted == [f"receipt of fresh-{index}" for index in range(4)]


def test_each_suspect_has_its_row_and_is_acknowledged_before_the_next_is_touched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    spy_on_reads(
        world, monkeypatch, lambda _key: seen.append((len(world.rows()), len(world.queue.deleted)))
    )
    assert world.deliver(*uploads(world, 4, 3)) == []
    assert seen == [(0, 0), (1, 1), (2, 2), (3, 3)]


def waits_at_first_risk(
    world: World, monkeypatch: pytest.MonkeyPatch, left_ms: int, receives: int
) -> dict[str, int]:
    """What the queue was told of nine suspects and a fresh photo when a suspect is touched."""
    sent = [*uploads(world, 1, 1, "fresh"), *uploads(world, 9, receives, "suspect")]
    waits: list[dict[str, int]] = []

    def look(key: str) -> None:
        if "suspect" in key:
            waits.append(dict(world.queue.waits))

    spy_on_reads(world, monkeypatch, look)
    assert world.deliver(*sent, context=Context(lambda: left_ms)) == []
    assert world.queue.calls.count("change") == 1
    return waits[0]


def test_suspects_have_waits_of_their_own_before_the_first_is_touched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = waits_at_first_risk(world, monkeypatch, left_ms=50_000, receives=9)
    # Should one end the process, the company is parted. What is done with does not wait.
    assert waits.keys() == {f"receipt of suspect-{index}" for index in range(9)}
    assert len(set(waits.values())) > 1
    assert all(675 <= wait <= 900 for wait in waits.values())


def test_no_suspect_comes_back_while_the_function_may_be_at_work_on_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = waits_at_first_risk(world, monkeypatch, left_ms=49_100, receives=3)
    assert all(50 + 15 <= wait <= 50 + 20 for wait in waits.values())


def test_queue_that_takes_no_early_waits_changes_nothing(world: World, logs: io.StringIO) -> None:
    world.queue.faults = [throttled("ChangeMessageVisibilityBatch")]
    assert world.deliver(*uploads(world, 2, 3)) == []
    assert len(world.rows()) == 2
    assert "Waits not set" in logs.getvalue()


def test_message_acknowledged_early_is_counted_once_and_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = [*uploads(world, 2, 1, "fresh"), *uploads(world, 1, 3, "suspect")]
    before: list[str] = []

    def look(key: str) -> None:
        if "suspect" in key:
            before.append(capsys.readouterr().out)

    spy_on_reads(world, monkeypatch, look)
    assert world.deliver(*sent) == []
    # Should the suspect end the process, these are not lost.
    assert metrics_in(before[0]) == {"UploadsAnswered": 2, "Classified": 2}
    after = metrics_in(capsys.readouterr().out)
    assert (after["UploadsAnswered"], after["Classified"], after["EndpointCalls"]) == (1, 1, 2)


def test_failed_fresh_photo_is_not_acknowledged_early(world: World) -> None:
    fresh, suspect = uploads(world, 2, 1, "fresh"), uploads(world, 1, 3, "suspect")
    world.s3.faults["get_object"] = [throttled("GetObject")]
    failed = world.deliver(*fresh, *suspect)
    assert len(failed) == 1
    assert f"receipt of {failed[0]}" not in world.queue.deleted
    assert 4 <= world.queue.waits[f"receipt of {failed[0]}"] <= 5


def test_queue_that_takes_no_early_acknowledgement_changes_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.queue.faults = [throttled("DeleteMessageBatch")] * 10
    assert world.deliver(*uploads(world, 3, 1, "fresh"), *uploads(world, 2, 3, "suspect")) == []
    assert len(world.rows()) == 5
    counted = metrics_in(capsys.readouterr().out)
    assert (counted["UploadsAnswered"], counted["Classified"]) == (5, 5)


def test_batch_of_fresh_photos_alone_is_not_acknowledged_early(world: World) -> None:
    world.deliver(*uploads(world, 3, 2))
    assert world.queue.calls == []


def order_of_reads(
    world: World, monkeypatch: pytest.MonkeyPatch, sent: list[Json], receives: dict[str, int]
) -> list[str]:
    """The keys as they are read, all failing. `receives`: message id -> receive count."""
    keys: list[str] = []
    for each in sent:
        each["attributes"]["ApproximateReceiveCount"] = str(receives[each["messageId"]])
    world.endpoint.faults = [model_error(500)() for _ in sent]
    with monkeypatch.context() as patch:
        spy_on_reads(world, patch, keys.append)
        world.deliver(*sent)
    return keys


def test_suspects_have_their_turn_in_one_order_then_in_the_reverse_then_in_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = uploads(world, 6, 3)
    orders = [
        order_of_reads(world, monkeypatch, sent, {each["messageId"]: count for each in sent})
        for count in (3, 4, 5, 6)
    ]
    assert orders[1] == orders[0][::-1]
    assert orders[3] == orders[2][::-1]
    assert orders[2] not in (orders[0], orders[1])
    assert orders[0] != sorted(orders[0])


def test_order_of_suspects_does_not_change_when_some_are_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = uploads(world, 6, 3)
    counts = {each["messageId"]: 3 for each in sent}
    whole = order_of_reads(world, monkeypatch, sent, counts)
    rest = order_of_reads(world, monkeypatch, sent[::2], counts)
    assert rest == [key for key in whole if key in rest]


@pytest.mark.parametrize("older", range(4))
def test_suspect_that_failed_less_often_than_its_company_does_not_always_come_first(
    world: World, monkeypatch: pytest.MonkeyPatch, older: int
) -> None:
    # GIVEN one that failed three times, and others that failed more often before they met it
    sent = uploads(world, 4, 3)
    first: set[str] = set()
    for round_ in range(2):
        counts = {each["messageId"]: 3 + round_ + 2 * n for n, each in enumerate(sent)}
        keys = order_of_reads(world, monkeypatch, sent, counts)
        first |= set(keys[: keys.index(f"uploads/uploads-{older}.jpg")])
    # THEN in two receives each of the others had a turn before it
    assert len(first) == 3


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


def test_duplicate_that_failed_before_makes_its_event_a_suspect(world: World) -> None:
    sent, other = world.upload("uploads/a.jpg"), world.upload("uploads/b.jpg")
    batch = [
        message(sent, id_="new"),
        message(sent, id_="again", receive_count=3),
        message(other, id_="other"),
    ]
    assert world.deliver(*batch) == []
    assert world.endpoint.calls == [1, 1]


def test_new_version_of_a_key_that_failed_before_is_a_suspect(world: World) -> None:
    old = message(world.upload("uploads/a.jpg"), id_="old", receive_count=3)
    new = message(world.upload("uploads/a.jpg"), id_="new")
    other = message(world.upload("uploads/b.jpg"), id_="other")
    assert world.deliver(old, new, other) == []
    assert world.endpoint.calls == [1, 1]


# ------------------------------------------------------------- the endpoint is away as a whole

AWAY = {
    "throttled": aws("ThrottlingException", 429),
    "not ready": aws("ModelNotReadyException", 429),
    "missing": aws("ValidationError", 400),
    "forbidden": aws("AccessDeniedException", 403),
    "overloaded": aws("ServiceUnavailable", 503),
    "container full": model_error(429),
    "container starting": model_error(404),
    "unreachable": lambda: EndpointConnectionError(endpoint_url=URL),
    "connect timeout": lambda: ConnectTimeoutError(endpoint_url=URL),
    "proxy": lambda: ProxyConnectionError(proxy_url=URL),
    "tls": lambda: SSLError(endpoint_url=URL, error="no"),
    "no credentials": NoCredentialsError,
}
MAY_BE_A_PHOTO = {
    "read timeout": lambda: ReadTimeoutError(endpoint_url=URL),
    "connection closed": lambda: ConnectionClosedError(endpoint_url=URL),
    "container 500": model_error(500),
    "container 503": model_error(503),
    "container too slow": model_error(408),
    "container without status": aws("ModelError", 424),
    "internal": aws("InternalFailure", 500),
    "dependency": aws("InternalDependencyException", 530),
}


@pytest.mark.parametrize("name", AWAY)
def test_endpoint_away_as_a_whole_is_asked_no_more_in_this_invocation(
    world: World, name: str
) -> None:
    sent = [*uploads(world, 2, 1, "fresh"), *uploads(world, 3, 3, "suspect")]
    world.endpoint.faults = [AWAY[name]() for _ in range(10)]
    world.s3.calls.clear()
    assert len(world.deliver(*sent)) == 5
    # The fresh ones twice, nobody else: not even read.
    assert world.endpoint.calls == [2, 2]
    assert world.s3.calls.count("get_object") == 2
    assert len(world.s3.calls) == 2 + len(world.thumbnails())
    # AND all five wait for their next try
    assert len(world.queue.waits) == 5


@pytest.mark.parametrize("name", MAY_BE_A_PHOTO)
def test_fault_that_may_be_a_photos_own_keeps_no_other_from_its_try(
    world: World, name: str
) -> None:
    sent = [*uploads(world, 2, 1, "fresh"), *uploads(world, 3, 3, "suspect")]
    world.endpoint.faults = [MAY_BE_A_PHOTO[name]() for _ in range(3)]
    failed = world.deliver(*sent)
    assert world.endpoint.calls == [2, 2, 1, 1, 1]
    assert len(failed) == 3
    assert len(world.rows()) == 2


def test_second_request_of_a_split_batch_is_spared_an_endpoint_that_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classify.wire.MAX_BODY_BYTES", 1500)
    world.endpoint.faults = [AWAY["missing"]() for _ in range(10)]
    assert len(world.deliver(*uploads(world, 2, 1))) == 2
    assert world.endpoint.calls == [1, 1]


def test_endpoint_that_was_away_is_asked_again_in_the_next_invocation(world: World) -> None:
    sent = uploads(world, 2, 3)
    world.endpoint.faults = [AWAY["missing"]()]
    assert len(world.deliver(*sent)) == 2
    assert world.deliver(*sent) == []


def test_answered_suspects_are_acknowledged_although_the_endpoint_is_away(world: World) -> None:
    known = uploads(world, 2, 3, "known")
    world.deliver(*known)
    world.endpoint.faults = [AWAY["missing"]() for _ in range(10)]
    assert world.deliver(*known, *uploads(world, 1, 3, "new")) == ["new-0"]


def test_pause_before_the_second_attempt_is_short_and_never_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    for _ in range(5):
        world.endpoint.faults = [aws("ThrottlingException", 429)()]
        world.deliver(*uploads(world, 1, 1))
    assert all(0.15 <= pause <= 0.3 for pause in pauses)
    assert len(set(pauses)) == 5
