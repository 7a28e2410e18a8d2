"""Spreads the images of concurrent requests over lanes, each of which runs on a CPU of its own.

Adaptive, with no waiting time to tune: a lone image runs at once, with all CPUs to itself; under
load each lane takes its share of what is waiting, and never more than a batch's worth, so all of
them end at about the same time. No lane waits for another, nor for a batch to fill.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, Protocol, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")
Taken = TypeVar("Taken", contravariant=True)
Given = TypeVar("Given", covariant=True)


class Run(Protocol[Taken, Given]):
    """What a lane does with a batch: as many results as items, in the same order."""

    def __call__(self, items: Sequence[Taken], /, *, alone: bool) -> Sequence[Given]:
        """`alone`: nothing else runs or waits, so all CPUs are this item's."""


class _Request(Generic[Item, Result]):
    """One request's items, which may end up in different batches."""

    def __init__(self, items: Sequence[Item], begun: bool) -> None:
        self.items = items
        self.results: list[Result | None] = [None] * len(items)
        self.left = len(items)
        self.begun = begun
        self.largest_batch = 0
        self.answer: asyncio.Future[tuple[list[Result], int]] = (
            asyncio.get_running_loop().create_future()
        )

    def take_result(self, index: int, result: Result, batch: int) -> None:
        """Keep one result; the last one answers."""
        self.results[index] = result
        self.left -= 1
        self.largest_batch = max(self.largest_batch, batch)
        if not self.left and not self.answer.done():
            self.answer.set_result((cast(list[Result], self.results), self.largest_batch))


class Batcher(Generic[Item, Result]):
    """Calls `run` with items of one or more requests, in at most `lanes` threads at a time.

    If `run` raises, all requests with an item in that batch get the exception, and the next batch
    runs as usual.
    """

    def __init__(self, run: Run[Item, Result], lanes: int, max_batch: int) -> None:
        self._run = run
        self._lanes = lanes
        self._max_batch = max_batch
        self._waiting: deque[tuple[_Request[Item, Result], int]] = deque()
        self._busy = 0
        self.unanswered = 0  # images that wait or run
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps weak references only
        self._threads = ThreadPoolExecutor(lanes, thread_name_prefix="lane")

    async def submit(self, items: Sequence[Item], begun: bool = False) -> tuple[list[Result], int]:
        """One request's items -> its results, and the size of the largest batch they were in.

        Cancelling the caller (a deadline) takes what is still waiting out of the queue; results of
        what is running already are thrown away. `begun`: work has gone into them, so they are not
        shed.
        """
        request: _Request[Item, Result] = _Request(items, begun)
        self.unanswered += len(items)
        self._waiting.extend((request, index) for index in range(len(items)))
        for _ in range(min(len(items), self._lanes - self._busy)):
            self._busy += 1
            lane = asyncio.create_task(self._drain())
            self._tasks.add(lane)
            lane.add_done_callback(self._tasks.discard)
        return await request.answer

    def shed(self, error: Exception) -> None:
        """Fail the requests of which nothing has begun."""
        everything, self._waiting = self._waiting, deque()
        for request, index in everything:
            if request.begun:
                self._waiting.append((request, index))
                continue
            self.unanswered -= 1
            if not request.answer.done():
                request.answer.set_exception(error)

    def close(self) -> None:
        """Let running batches finish and end the threads."""
        self._threads.shutdown(wait=True)

    async def in_every_lane(self, call: Callable[[], None]) -> None:
        """Run `call` once in each lane's own thread, in all of them at the same time."""
        loop, together = asyncio.get_running_loop(), threading.Barrier(self._lanes)

        def together_with_the_others() -> None:
            together.wait()  # or one quick thread might do the work of two
            call()

        lanes = range(self._lanes)
        calls = (loop.run_in_executor(self._threads, together_with_the_others) for _ in lanes)
        await asyncio.gather(*calls)

    async def _drain(self) -> None:
        """One lane at work, until nothing waits."""
        try:
            while batch := self._next_batch():
                await self._run_batch(batch)
        finally:
            # In the same step as the look at the queue, so that what comes next finds the lane
            # free; and whatever happened, or the lane would be lost for good.
            self._busy -= 1

    async def _run_batch(self, batch: list[tuple[_Request[Item, Result], int]]) -> None:
        """Run one batch and hand out its results, or to all of it the exception."""
        alone = len(batch) == self._busy == 1 and not self._waiting
        run = partial(self._run, [request.items[index] for request, index in batch], alone=alone)
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._threads, run)
            if len(results) != len(batch):
                raise RuntimeError(f"{len(results)} results for a batch of {len(batch)}")
        except Exception as error:  # noqa: BLE001 - handed to the requests, whatever it is
            for request, _ in batch:
                if not request.answer.done():
                    request.answer.set_exception(error)
            return
        finally:
            self.unanswered -= len(batch)
        for (request, index), result in zip(batch, results, strict=True):
            request.take_result(index, result, len(batch))

    def _next_batch(self) -> list[tuple[_Request[Item, Result], int]]:
        """The oldest items, up to a lane's share; those of given-up requests are dropped."""
        share = min(self._max_batch, -(-len(self._waiting) // self._lanes))
        batch: list[tuple[_Request[Item, Result], int]] = []
        while self._waiting and len(batch) < share:
            request, index = self._waiting.popleft()
            if request.answer.done():
                self.unanswered -= 1
                continue
            request.begun = True
            batch.append((request, index))
        return batch
