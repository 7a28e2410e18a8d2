"""Which requests are let in: everybody up to a limit, and in a flood, who can be answered at once.

A queue absorbs bursts, but one that stays full only makes everybody wait. So it may overflow for a
moment; if it still does a twentieth of a second later, what waits is answered 429 and, until the
flood has passed, a request is let in only when a lane is free for it, but for one lane: saying no
takes CPU time, too. Those that are answered then are answered about as fast as ever, and the others
know at once that they must come again.

The flood has passed when no larger share is refused than would be without a queue if only as many
came as can be answered (Erlang's loss formula).
"""

import time
from collections.abc import Callable
from typing import Protocol

# An overflow that lasts longer is no burst. Every answer of that time is late, and late answers
# should be few even in a flood of a minute (benchmarks/serving).
BURST_S = 0.05
# How long requests are counted before it is judged whether the flood has passed.
JUDGED_S = 1.0


class QueueFullError(Exception):
    """More images came than the server takes."""


class Work(Protocol):
    """What is behind the door."""

    unanswered: int  # images that wait or run

    def shed(self, error: Exception) -> None:
        """Answer what waits, and has not begun, with `error`."""


class Admission:
    """Counts requests and their images, from before a body is read until it is answered."""

    def __init__(
        self,
        images: int,
        requests: int,
        lanes: int,
        work: Work,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """At most so many `images` of at most so many `requests`."""
        self.images = self.requests = 0
        self._most_images, self._most_requests = images, requests
        self._few = max(1, lanes - 1)
        self._ordinary = lost_share(lanes, self._few)
        self._work = work
        self._clock = clock
        self._full_since: float | None = None  # since when it refuses, and is at least half full
        self._flood = False
        self._came = self._refused = 0  # in a flood, since _counted_since
        self._counted_since = 0.0

    def enter(self) -> None:
        """A place for a request whose body has not been read, or raise QueueFullError.

        It counts as one image until it is known how many there are.
        """
        if self._flood:
            self._judge()
        self._came += 1
        if self.requests >= self._most_requests:
            self._refuse(f"{self.requests} requests in flight, which is the limit")
        self.take(1)
        self.requests += 1

    def take(self, count: int) -> None:
        """Places for so many more images of a request that is in, or raise QueueFullError.

        None more is a question, too: in a flood, others may have come while its body did.
        """
        if self._flood and self._work.unanswered >= self._few:
            self._refuse("the server is flooded with requests; try again later")
        if self.images + count > self._most_images:
            self._refuse(f"{self.images} images in flight, the limit is {self._most_images}")
        self.images += count

    def leave(self, images: int) -> None:
        """Return a request's place and its images'."""
        self.requests -= 1
        self.images -= images
        if self.images < self._most_images / 2 and self.requests < self._most_requests / 2:
            self._full_since = None

    def _refuse(self, message: str) -> None:
        now, error = self._clock(), QueueFullError(message)
        self._refused += 1
        if not self._flood:
            self._full_since = now if self._full_since is None else self._full_since
            if now - self._full_since >= BURST_S:
                self._flood, self._full_since = True, None
                self._count_anew()
                self._work.shed(error)
        raise error

    def _judge(self) -> None:
        counted_s = self._clock() - self._counted_since
        if counted_s < JUDGED_S:
            return
        # Requests may have stopped coming long ago, just after a second of refusals.
        stale = counted_s >= 2 * JUDGED_S
        self._flood = not stale and self._refused > self._ordinary * self._came
        self._count_anew()

    def _count_anew(self) -> None:
        self._counted_since = self._clock()
        self._came = self._refused = 0


def lost_share(load: float, places: int) -> float:
    """Of requests that come at random moments and don't wait, how many find all places taken.

    `load` is how many come, on average, in the time that one takes. A. K. Erlang's formula of 1917,
    by its usual recurrence over the places.
    """
    share = 1.0
    for place in range(1, places + 1):
        share = load * share / (place + load * share)
    return share
