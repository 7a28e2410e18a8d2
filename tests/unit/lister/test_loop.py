"""Every object is sent at least once and the loop ends, whatever breaks in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lister import core
from lister.core import TURNS_AN_EXECUTION, Page, Ports
from lister.errors import RefusedError
from lister.job import Job

from tests.unit.lister.loop import FakeLane, definition, photos_job, run

KEYS = st.lists(st.text("ab/ü ", min_size=1, max_size=4), unique=True, max_size=30)
FAULT = st.sampled_from(["", "", "", "before", "after"])


@settings(deadline=None)
@given(keys=KEYS, answered=st.sets(st.integers(0, 29)), data=st.data())
def test_every_object_is_sent_and_the_loop_ends_whatever_breaks(
    keys: list[str], answered: set[int], data: st.DataObject
) -> None:
    # GIVEN objects, some of them answered, and faults at any call, for a while
    known = {key for number, key in enumerate(keys) if number in answered}
    faults = data.draw(st.lists(FAULT, max_size=40))
    lane = FakeLane(
        list(keys),
        set(known),
        page_size=data.draw(st.integers(1, 5)),
        most_waiting=data.draw(st.integers(1, 10)),
        faults=iter(faults),
    )
    # WHEN the loop runs, and somebody stops it now and then and goes on from the last whole turn
    state, is_done = photos_job(pace=data.draw(st.sampled_from([0, 0.1, 1]))), False
    while not is_done:
        is_done = True
        for after in run(lane, state):
            state = after
            if after["next"] != "done" and data.draw(st.integers(0, 5)) == 0:
                is_done = False
                break
    # THEN everything was sent that was not answered, and nothing else
    assert set(lane.sent) == set(keys) - known
    assert state["counts"]["seen"] == len(keys)
    # AND what waits is bounded: what there may be, a page, and pages that were sent twice
    bound = lane.most_waiting + lane.page_size - 1 + len(faults) * lane.page_size
    assert lane.most_seen <= bound


def test_a_turn_that_breaks_once_it_has_sent_is_sent_again_and_counted_once() -> None:
    # GIVEN that sending breaks after its effect: waiting, read, send
    lane = FakeLane(["a", "b"], faults=iter(["", "", "after"]))
    *_, end = run(lane, photos_job())
    assert lane.sent == ["a", "b", "a", "b"]
    assert end["counts"]["sent"] == 2


def test_nothing_is_read_while_the_queue_is_full() -> None:
    lane = FakeLane(["a"], waiting=["x"] * 6)
    first, *_ = run(lane, photos_job())
    assert (first["next"], first["waits_for"], first["counts"]["reads"]) == ("wait", "queue", 0)


def test_pages_of_what_is_answered_cost_one_turn_for_ten() -> None:
    keys = [f"{number:03}" for number in range(60)]
    lane = FakeLane(keys, set(keys), page_size=3)
    *_, end = run(lane, photos_job())
    assert (lane.turns, end["counts"]["reads"], lane.sent) == (2, 20, [])


def test_no_read_begins_without_time_for_it() -> None:
    lane = FakeLane(["a", "b", "c"], {"a", "b"}, page_size=1)
    after = core.turn(
        Job.from_json(photos_job()), lane.ports(), lane.limits(), lane.now, lambda: False
    )
    assert after.place == {"after": "a"}


def test_no_more_is_sent_than_the_pace_allows() -> None:
    # GIVEN two photos a second, of which a wait of 15 s makes pages of 30
    lane = FakeLane([f"{number:03}" for number in range(100)], page_size=1000, most_waiting=1000)
    states = list(run(lane, photos_job(pace=2)))
    assert [state["counts"]["sent"] for state in states] == [30, 60, 90, 100]
    assert [(state["wait_s"], state["waits_for"]) for state in states[:-1]] == [(15, "pace")] * 3


def test_rows_that_cannot_be_read_are_counted_apart() -> None:
    ports = Ports(
        waiting=lambda: 0,
        read=lambda _job, _size: Page(9, [], None, {"theirs": 2, "gone": 1}),
        send=lambda _photos, _job: None,
    )
    job, lane = Job.from_json(photos_job()), FakeLane([])
    counts = core.turn(job, ports, lane.limits(), lane.now, lambda: True).counts
    assert (counts.seen, counts.known, counts.sent, counts.unreadable) == (9, 6, 0, 3)


def test_what_is_answered_costs_the_pace_nothing() -> None:
    keys = [f"{number:03}" for number in range(100)]
    lane = FakeLane(keys, set(keys[:95]), page_size=1000, most_waiting=1000)
    (end,) = run(lane, photos_job(pace=2))
    assert (end["counts"]["known"], end["counts"]["sent"]) == (95, 5)


def test_a_closed_window_sends_nothing_and_says_when_it_opens() -> None:
    # GIVEN noon, and a window at night
    lane = FakeLane(["a"])
    first, *more = run(lane, photos_job(window="02:00-06:00"))
    assert (first["waits_for"], first["wait_s"], first["counts"]["seen"]) == ("window", 50400, 0)
    assert more[-1]["next"] == "done"


def test_an_execution_ends_before_aws_s_limit_and_another_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(core, "TURNS_AN_EXECUTION", 3)
    lane = FakeLane([f"{number:02}" for number in range(20)], page_size=1, most_waiting=1)
    states = list(run(lane, photos_job()))
    assert len(set(lane.sent)) == 20
    assert {state["turns"] for state in states} == {0, 1, 2}
    assert states[-1]["part"] > 5


def test_turns_of_an_execution_stay_below_25000_events() -> None:
    # Entered, scheduled, started, succeeded, exited; entered and exited; entered and exited.
    events_a_turn = 5 + 2 + 2
    assert TURNS_AN_EXECUTION * events_a_turn < 0.8 * 25_000


def test_every_word_of_the_lister_leads_to_a_state() -> None:
    more = definition()["States"]["More"]
    named = {choice["StringEquals"] for choice in more["Choices"]}
    assert named == {"done", "renew", "wait"}
    assert more["Default"] == "Page"


def test_what_cannot_get_better_is_not_tried_again() -> None:
    first, *others = definition()["States"]["Page"]["Retry"]
    assert first == {"ErrorEquals": [RefusedError.__name__], "MaxAttempts": 0}
    assert others[-1]["ErrorEquals"] == ["States.ALL"]


def sizes() -> Iterator[int]:
    yield from (10, 1000, 100_000)


@pytest.mark.parametrize("count", list(sizes()))
def test_what_travels_does_not_grow_with_the_photos(count: int) -> None:
    keys = [f"{number:08}" for number in range(count)]
    lane = FakeLane(keys, set(keys[1:]), page_size=count // 10)
    *_, end = run(lane, photos_job())
    assert len(str(end)) < 700
