"""The batcher with a fake model: what is joined, kept apart, dropped, and how errors travel."""

import asyncio
import threading
from collections.abc import Coroutine
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.batching import Batcher, QueueFullError, Slots


class FakeModel:
    """Doubles numbers; each pass waits until it is let through, and is written down."""

    def __init__(self, free: bool = False) -> None:
        self.passes: list[list[int]] = []
        self.started = threading.Semaphore(0)
        self.gate = threading.Semaphore(10_000 if free else 0)

    def __call__(self, items: list[int]) -> list[int]:
        self.passes.append(items)
        self.started.release()
        assert self.gate.acquire(timeout=20)
        if 13 in items:
            raise ValueError("unlucky")
        return [2 * item for item in items]

    async def running(self) -> None:
        """Return once a pass has begun."""
        await asyncio.to_thread(self.started.acquire)

    def let_through(self, count: int = 100) -> None:
        """Let passes finish."""
        self.gate.release(count)


async def submitted(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a request and let it reach the queue."""
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0)
    return task


def test_lone_request_runs_at_once_alone() -> None:
    async def scenario() -> None:
        model = FakeModel(free=True)
        batcher = Batcher(model, max_batch=4)
        assert await batcher.submit([1]) == ([2], 1)
        assert await batcher.submit([5, 6]) == ([10, 12], 2)
        batcher.close()

    asyncio.run(scenario())


def test_requests_arriving_during_a_pass_form_the_next_batch() -> None:
    async def scenario() -> None:
        model = FakeModel()
        batcher = Batcher(model, max_batch=8)
        first = await submitted(batcher.submit([1]))
        await model.running()
        others = [await submitted(batcher.submit([n, n])) for n in (2, 3, 4)]
        model.let_through()
        assert await first == ([2], 1)
        assert [await task for task in others] == [([4, 4], 6), ([6, 6], 6), ([8, 8], 6)]
        assert model.passes == [[1], [2, 2, 3, 3, 4, 4]]
        batcher.close()

    asyncio.run(scenario())


def test_request_that_no_longer_fits_waits_whole_for_the_next_pass() -> None:
    async def scenario() -> None:
        model = FakeModel()
        batcher = Batcher(model, max_batch=4)
        tasks = [await submitted(batcher.submit([0]))]
        await model.running()
        tasks += [await submitted(batcher.submit([n] * n)) for n in (2, 3, 1, 6)]
        model.let_through()
        await asyncio.gather(*tasks)
        assert model.passes == [[0], [2, 2], [3, 3, 3, 1], [6] * 6]
        batcher.close()

    asyncio.run(scenario())


def test_failing_pass_fails_its_requests_and_not_the_next() -> None:
    async def scenario() -> None:
        model = FakeModel(free=True)
        batcher = Batcher(model, max_batch=4)
        with pytest.raises(ValueError, match="unlucky"):
            await batcher.submit([13])
        assert await batcher.submit([1]) == ([2], 1)
        batcher.close()

    asyncio.run(scenario())


def test_request_given_up_while_waiting_never_runs() -> None:
    async def scenario() -> None:
        model = FakeModel()
        batcher = Batcher(model, max_batch=4)
        first = await submitted(batcher.submit([1]))
        await model.running()
        given_up = await submitted(batcher.submit([2]))
        kept = await submitted(batcher.submit([3]))
        given_up.cancel()
        await asyncio.wait([given_up])
        model.let_through()
        await asyncio.gather(first, kept)
        assert model.passes == [[1], [3]]
        batcher.close()

    asyncio.run(scenario())


def test_request_given_up_while_running_leaves_the_others_their_results() -> None:
    async def scenario() -> None:
        model = FakeModel()
        batcher = Batcher(model, max_batch=4)
        first = await submitted(batcher.submit([1]))
        await model.running()
        pair = [await submitted(batcher.submit([n])) for n in (2, 3)]
        model.let_through(1)
        await model.running()
        pair[0].cancel()
        model.let_through()
        assert await first == ([2], 1)
        assert await pair[1] == ([6], 2)
        batcher.close()

    asyncio.run(scenario())


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.integers(20, 1000), min_size=1, max_size=6), max_size=20))
def test_every_request_gets_its_own_results_in_order(requests: list[list[int]]) -> None:
    async def scenario() -> None:
        model = FakeModel(free=True)
        batcher = Batcher(model, max_batch=8)
        answers = await asyncio.gather(*(batcher.submit(items) for items in requests))
        for items, (results, size) in zip(requests, answers, strict=True):
            assert results == [2 * item for item in items]
            assert len(items) <= size <= 8
        assert sorted(chain(*model.passes)) == sorted(chain(*requests))
        batcher.close()

    asyncio.run(scenario())


def test_slots_refuse_above_the_limit_and_take_again_after() -> None:
    slots = Slots(3)
    slots.take(2)
    with pytest.raises(QueueFullError, match="2 images in flight, the limit is 3"):
        slots.take(2)
    slots.take(1)
    slots.give_back(3)
    slots.take(3)
