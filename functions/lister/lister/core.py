"""One turn of a job: read pages, leave out what is answered, send the rest. No AWS client.

A turn moves on only as a whole: if it ends badly anywhere, it is repeated from the same place, and
what it has sent already is answered once all the same, because the classify function looks before
it answers. Nothing is remembered but the place.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from lister.job import Counts, Job, Place
from lister.messages import Photo

# A page of what is answered already costs no message: a turn goes on to the next one, so often.
READS_A_TURN = 10
# Events of one execution, at most 25,000 on AWS ("Step Functions service quotas"): a turn that
# waits is 9 of them (task 5, choice 2, wait 2), and a repeated one 3 more. 2,000 x 9 leaves 7,000.
TURNS_AN_EXECUTION = 2000


@dataclass(frozen=True)
class Page:
    """`seen` objects or rows were read; `photos` of them want an answer. No `place`: the end.

    `unreadable`: rows that want one too, by the bucket that the stack may not read.
    """

    seen: int
    photos: Sequence[Photo]
    place: Place | None
    unreadable: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Ports:
    """Its callables raise only the errors of lister.errors."""

    # Messages in the queue, those in flight included.
    waiting: Callable[[], int]
    # A page of at most so many objects or rows.
    read: Callable[[Job, int], Page]
    # All of them, or an error.
    send: Callable[[Sequence[Photo], Job], None]


@dataclass(frozen=True)
class Limits:
    """`page_size` messages end a turn; above `most_waiting` in the queue nothing is sent."""

    page_size: int
    most_waiting: int
    wait_s: int


def turn(
    job: Job, ports: Ports, limits: Limits, now: datetime, has_time: Callable[[], bool]
) -> Job:
    """The job after one more turn. `has_time`: whether one more read may begin."""
    job = replace(job, next="turn", wait_s=0, waits_for="", turns=job.turns + 1)
    job = _work(job, ports, limits, now, has_time)
    if job.next != "done" and job.turns >= TURNS_AN_EXECUTION:
        return replace(job, next="renew", part=job.part + 1, turns=0)
    return job


def read_size(pace: float, page_size: int, wait_s: int) -> int:
    """Objects or rows of a read: no more than may be sent until the next one. `pace` 0: a page."""
    return min(page_size, max(1, round(pace * wait_s))) if pace else page_size


def _work(
    job: Job, ports: Ports, limits: Limits, now: datetime, has_time: Callable[[], bool]
) -> Job:
    if job.hours and (closed_s := job.hours.wait_s(now)):
        return job.waiting(closed_s, "window")
    waiting = ports.waiting()
    if waiting >= limits.most_waiting:
        return job.waiting(limits.wait_s, "queue")
    began, size = job.counts.sent, read_size(job.pace, limits.page_size, limits.wait_s)
    for _ in range(READS_A_TURN):
        page = ports.read(job, size)
        ports.send(page.photos, job)
        sent, unreadable = len(page.photos), sum(page.unreadable.values())
        count = Counts(page.seen, page.seen - sent - unreadable, sent, 1, unreadable)
        job = replace(job, counts=job.counts + count, place=page.place)
        if page.place is None:
            return replace(job, next="done")
        sent = job.counts.sent - began
        if waiting + sent >= limits.most_waiting or sent >= size or not has_time():
            break
    sent = job.counts.sent - began
    if job.pace and sent:
        return job.waiting(max(1, round(sent / job.pace)), "pace")
    return job.waiting(limits.wait_s, "queue") if waiting + sent >= limits.most_waiting else job
