"""One turn by itself: what it reads, what it sends, and what the state machine does next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from lister.core import READS_A_TURN, TURNS_AN_EXECUTION, Limits, Page, Ports, turn
from lister.job import PHOTOS, Counts, Job
from lister.messages import Photo

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LIMITS = Limits(page_size=3, most_waiting=6, wait_s=15)
PHOTO = Photo("b", "k", 1, "e", "0")


class Turns:
    """A listing of pages with so many photos to send each; it goes on after the last of them."""

    def __init__(self, *photos: int, waiting: int = 0, has_more: bool = True) -> None:
        self.photos, self.waiting, self.has_more = list(photos), waiting, has_more
        self.sizes: list[int] = []

    def take(self, has_time: bool = True, **of: Any) -> Job:
        job = Job("j", PHOTOS, bucket="b", **of)
        ports = Ports(lambda: self.waiting, self._read, lambda _photos, _job: None)
        return turn(job, ports, LIMITS, NOW, lambda: has_time)

    def _read(self, _job: Job, size: int) -> Page:
        number = len(self.sizes)
        self.sizes.append(size)
        count = self.photos[number] if number < len(self.photos) else 0
        more = self.has_more or number + 1 < len(self.photos)
        return Page(3, [PHOTO] * count, {"after": "k"} if more else None)


def test_turn_after_a_wait_waits_no_more() -> None:
    job = Turns(3).take(next="wait", wait_s=15, waits_for="queue", turns=7)
    assert (job.next, job.wait_s, job.waits_for, job.turns) == ("turn", 0, "", 8)


def test_turn_ends_with_a_page_of_messages_whatever_was_sent_before() -> None:
    # GIVEN a job that has sent a hundred photos already, and three pages with few new ones
    turns = Turns(1, 1, 1, 1)
    job = turns.take(counts=Counts(300, 200, 100, 100))
    assert turns.sizes == [3, 3, 3]
    assert job.counts == Counts(309, 206, 103, 103)
    assert job.next == "turn"


def test_turn_over_what_is_known_ends_after_so_many_reads_or_when_time_is_up() -> None:
    turns = Turns()
    turns.take()
    assert len(turns.sizes) == READS_A_TURN
    short = Turns()
    short.take(has_time=False)
    assert len(short.sizes) == 1


@pytest.mark.parametrize(("waiting", "reads"), [(6, 0), (5, 1), (4, 2)])
def test_queue_that_is_full_is_waited_for(waiting: int, reads: int) -> None:
    turns = Turns(1, 1, 1, waiting=waiting)
    job = turns.take()
    assert len(turns.sizes) == reads
    assert (job.next, job.wait_s, job.waits_for) == ("wait", 15, "queue")


@pytest.mark.parametrize(
    ("pace", "size", "wait_s"), [(0.01, 1, 100), (0.1, 2, 20), (1, 3, 3), (4, 3, 1)]
)
def test_pace_bounds_what_is_read_and_says_how_long_to_wait(
    pace: float, size: int, wait_s: int
) -> None:
    turns = Turns(size)
    job = turns.take(pace=pace)
    assert turns.sizes == [size]
    assert (job.next, job.wait_s, job.waits_for) == ("wait", wait_s, "pace")


def test_execution_that_is_long_enough_is_followed_by_the_next_one() -> None:
    job = Turns(3).take(turns=TURNS_AN_EXECUTION - 1, part=2)
    assert (job.next, job.part, job.turns) == ("renew", 3, 0)


def test_job_that_is_done_with_its_last_turn_is_done() -> None:
    job = Turns(2, has_more=False).take(turns=TURNS_AN_EXECUTION - 1)
    assert (job.next, job.part, job.place) == ("done", 1, None)
