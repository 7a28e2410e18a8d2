"""Joins the images of concurrent requests into one forward pass.

Adaptive, with no waiting time to tune: a lone request runs at once; what arrives while a forward
pass is running forms the next batch. One thread runs the model, so the event loop stays free and
the next requests are read and decoded meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class QueueFullError(Exception):
    """More images are in flight than the server takes."""


class Slots:
    """Counts images in flight, from before a request's body is read until it is answered."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0

    def take(self, count: int) -> None:
        """Reserve `count` places or raise QueueFullError."""
        if self.taken + count > self.limit:
            raise QueueFullError(f"{self.taken} images in flight, the limit is {self.limit}")
        self.taken += count

    def give_back(self, count: int) -> None:
        """Return places that `take` reserved."""
        self.taken -= count


class _Group(Generic[Item, Result]):
    """The images of one request; they stay together, so a request is never split."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.answer: asyncio.Future[tuple[list[Result], int]] = (
            asyncio.get_running_loop().create_future()
        )


class Batcher(Generic[Item, Result]):
    """Calls `run` with the items of one or more requests at a time, never concurrently.

    `run` takes a list of items and returns as many results in the same order. If it raises, all
    requests of that batch get the exception and the next batch runs as usual.
    """

    def __init__(self, run: Callable[[list[Item]], Sequence[Result]], max_batch: int) -> None:
        self._run = run
        self._max_batch = max_batch
        self._waiting: deque[_Group[Item, Result]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="forward")

    async def submit(self, items: Sequence[Item]) -> tuple[list[Result], int]:
        """One request's items -> its results and the number of items in the whole batch.

        Cancelling the caller (a deadline) takes the request out of the queue; if its batch is
        running already, the result is thrown away.
        """
        group: _Group[Item, Result] = _Group(items)
        self._waiting.append(group)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._drain())
        return await group.answer

    def close(self) -> None:
        """Let a running batch finish and end the thread."""
        self._thread.shutdown(wait=True)

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while groups := self._next_batch():
            items = [item for group in groups for item in group.items]
            try:
                results = list(await loop.run_in_executor(self._thread, self._run, items))
            except Exception as error:  # noqa: BLE001 - handed to the requests, whatever it is
                for group in groups:
                    if not group.answer.done():
                        group.answer.set_exception(error)
                continue
            start = 0
            for group in groups:
                end = start + len(group.items)
                if not group.answer.done():
                    group.answer.set_result((results[start:end], len(items)))
                start = end

    def _next_batch(self) -> list[_Group[Item, Result]]:
        """The oldest request, and those behind it while they fit; given-up ones are dropped."""
        groups: list[_Group[Item, Result]] = []
        size = 0
        while self._waiting:
            group = self._waiting[0]
            if not group.answer.done():
                if groups and size + len(group.items) > self._max_batch:
                    break
                groups.append(group)
                size += len(group.items)
            self._waiting.popleft()
        return groups
