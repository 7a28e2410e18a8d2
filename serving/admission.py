"""Which requests are let in: everybody up to a limit, and in a flood, who can be answered at once.

A queue absorbs bursts, but one that stays full only makes everybody wait. So it may overflow for a
moment; if it still does a tenth of a second later, what waits is answered 429 and, until the
flood has passed, a request is let in only when a lane is free for it, but for one lane: saying no
to a flood takes a CPU of its own. Those that are answered then are answered about as fast as ever,
and the others know at once that they must come again.
"""

import time
from collections.abc import Callable
from typing import Protocol

# An overflow that lasts longer is no burst. Every answer of that time is late, and late answers
# should be few even in a flood of a minute (benchmarks/serving).
BURST_S = 0.1
# Without a refusal for that long, the flood has passed.
CALM_S = 1.0


class QueueFullError(Exception):
    """More images came than the server takes."""


class Work(Protocol):
    """What is behind the door."""

    unanswered: int  # images that wait or run

    def shed(self, error: Exception) -> None:
        """Answer what waits, and has not begun, with `error`."""


class Admission:
    """Counts images in flight, from before a request's body is read until it is answered."""

    def __init__(
        self, limit: int, lanes: int, work: Work, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit = limit
        self.taken = 0
        self._few = max(1, lanes - 1)
        self._work = work
        self._clock = clock
        self._first_refusal = self._last_refusal = float("-inf")
        self._flood = False

    def enter(self) -> None:
        """One place for a request whose body has not been read, or raise QueueFullError."""
        self._flood = self._flood and self._clock() - self._last_refusal <= CALM_S
        if self._flood and self._work.unanswered >= self._few:
            self._refuse("the server is flooded with requests; try again later")
        self.take(1)

    def take(self, count: int) -> None:
        """More places for a request that has entered, or raise QueueFullError."""
        if self.taken + count > self.limit:
            self._refuse(f"{self.taken} images in flight, the limit is {self.limit}")
        self.taken += count

    def give_back(self, count: int) -> None:
        """Return places."""
        self.taken -= count

    def _refuse(self, message: str) -> None:
        now, error = self._clock(), QueueFullError(message)
        if now - self._last_refusal > CALM_S:
            self._first_refusal = now
        self._last_refusal = now
        if not self._flood and now - self._first_refusal >= BURST_S:
            self._flood = True
            self._work.shed(error)
        raise error
