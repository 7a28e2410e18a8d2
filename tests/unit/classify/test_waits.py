"""How long what failed waits for its next try."""

import io

import pytest
from classify.errors import RetryableError
from classify.waits import wait_s
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.classify.world import (
    Context,
    World,
    message,
    messages,
    metrics_in,
    spy_on_reads,
    throttled,
)

RECEIPTS = [f"receipt of m{index}" for index in range(10)]


def waits(chance: float, tries: int = 10) -> list[int]:
    return [wait_s(n, 5, 900, lambda: chance) for n in range(1, tries + 1)]


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
