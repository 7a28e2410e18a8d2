"""The batcher with a fake model: what is joined, spread, dropped, and how errors travel."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Coroutine, Sequence
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.batching import Batcher


class FakeModel:
    """Doubles numbers; each batch waits until it is let through, and is written down."""

    def __init__(self, free: bool = False) -> None:
        self.passes: list[list[int]] = []
        self.alone: list[bool] = []
        self.started = threading.Semaphore(0)
        self.gate = threading.Semaphore(10_000 if free else 0)

    def __call__(self, items: Sequence[int], *, alone: bool) -> list[int]:
        self.passes.append(list(items))
        self.alone.append(alone)
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


def test_lone_image_has_all_cpus_and_two_have_a_lane_each() -> None:
    async def scenario() -> None:
        model = FakeModel(free=True)
        batcher = Batcher(model, lanes=2, max_batch=4)
        assert await batcher.submit([1]) == ([2], 1)
        assert model.alone == [True]
        assert await batcher.submit([5, 6]) == ([10, 12], 1)
        assert sorted(model.passes) == [[1], [5], [6]]
        batcher.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("lanes", [1, 2])
def test_each_of_several_lone_images_has_all_cpus(lanes: int) -> None:
    async def scenario() -> None:
        model = FakeModel(free=True)
        batcher = Batcher(model, lanes, max_batch=4)
        for number in (1, 2, 3):
            await batcher.submit([number])
        assert model.alone == [True] * 3
        batcher.close()

    asyncio.run(scenario())


def test_images_of_one_request_run_at_the_same_time() -> None:
    async def scenario() -> None:
        model = FakeModel()
        batcher = Batcher(model, lanes=2, max_batch=4)
        both = await submitted(batcher.submit([5, 6]))
        async with asyncio.timeout(20):
            await asyncio.gather(model.running(), model.running())
        model.let_through()
        assert await both == ([10, 12], 1)
        batcher.close()

    asyncio.run(scenario())


def test_image_is_not_alone_while_another_waits() -> None:
    async def scenario() -> None:
        model = FakeModel(free=True)
        batcher = Batcher(model, lanes=1, max_batch=1)
        await batcher.submit([1, 2])
        assert model.alone == [False, True]
        batcher.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_request_right_after_an_answer_finds_a_free_lane(lanes: int) -> None:
    async def one_after_the_other(batcher: Batcher[int, int], first: int) -> None:
        for number in range(first, first + 20):
            assert (await batcher.submit([number]))[0] == [2 * number]

    async def scenario() -> None:
        batcher = Batcher(FakeModel(free=True), lanes, max_batch=4)
        async with asyncio.timeout(20):
            await asyncio.gather(*(one_after_the_other(batcher, 100 * n) for n in range(1, 4)))
        batcher.close()

    asyncio.run(scenario())


def test_image_that_comes_while_another_runs_is_not_alone() -> None:
    async def scenario() -> None:
        model = FakeModel()
        batcher = Batcher(model, lanes=2, max_batch=4)
        first = await submitted(batcher.submit([1]))
        await model.running()
        second = await submitted(batcher.submit([2]))
        await model.running()
        model.let_through()
        await asyncio.gather(first, second)
        assert model.alone == [True, False]
        batcher.close()

    asyncio.run(scenario())


def test_lanes_share_a_large_request_and_end_together() -> None:
    async def scenario() -> None:
        model = FakeModel(free=True)
        batcher = Batcher(model, lanes=2, max_batch=4)
        results, largest = await batcher.submit(list(range(20, 30)))
        assert results == [2 * item for item in range(20, 30)]
        assert largest == 4
        # Four of ten, half of the six left, half of the three left, ...: the last ones are short.
        assert sorted(map(len, model.passes), reverse=True) == [4, 3, 2, 1]
        assert not any(model.alone[:-1])
        batcher.close()

    asyncio.run(scenario())


def test_requests_arriving_during_a_batch_form_the_next_one() -> None:
    async def scenario() -> None:
        model = FakeModel()
        batcher = Batcher(model, lanes=1, max_batch=8)
        first = await submitted(batcher.submit([1]))
        await model.running()
        others = [await submitted(batcher.submit([n, n])) for n in (2, 3, 4)]
        model.let_through()
        assert await first == ([2], 1)
        assert [await task for task in others] == [([4, 4], 6), ([6, 6], 6), ([8, 8], 6)]
        assert model.passes == [[1], [2, 2, 3, 3, 4, 4]]
        batcher.close()

    asyncio.run(scenario())


def test_no_batch_is_larger_than_the_limit() -> None:
    async def scenario() -> None:
        model = FakeModel()
        batcher = Batcher(model, lanes=1, max_batch=4)
        tasks = [await submitted(batcher.submit([0]))]
        await model.running()
        tasks += [await submitted(batcher.submit([n] * n)) for n in (2, 3, 1, 6)]
        model.let_through()
        await asyncio.gather(*tasks)
        assert model.passes == [[0], [2, 2, 3, 3], [3, 1, 6, 6], [6] * 4]
        batcher.close()

    asyncio.run(scenario())


def test_failing_batch_fails_its_requests_and_not_the_next() -> None:
    async def scenario() -> None:
        model = FakeModel(free=True)
        batcher = Batcher(model, lanes=2, max_batch=4)
        with pytest.raises(ValueError, match="unlucky"):
            await batcher.submit([13, 14])
        assert await batcher.submit([1]) == ([2], 1)
        batcher.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("found", [[], [2, 4, 6]], ids=["too few", "too many"])
def test_wrong_number_of_results_fails_the_batch_and_leaves_the_lane_at_work(
    found: list[int],
) -> None:
    async def scenario() -> None:
        answers = iter([found, [8]])
        batcher = Batcher(lambda items, alone: next(answers), lanes=1, max_batch=2)
        with pytest.raises(RuntimeError, match=f"{len(found)} results for a batch of 2"):
            await batcher.submit([1, 2])
        assert batcher.unanswered == 0
        async with asyncio.timeout(20):
            assert await batcher.submit([4]) == ([8], 1)
        batcher.close()

    asyncio.run(scenario())


def test_every_lane_is_reached_in_its_own_thread() -> None:
    async def scenario() -> None:
        lanes = 3
        seen: list[int] = []

        def work(items: Sequence[int], *, alone: bool) -> list[int]:
            seen.append(threading.get_ident())
            return list(items)

        batcher = Batcher(work, lanes, max_batch=1)
        reached: list[int] = []
        await batcher.in_every_lane(lambda: reached.append(threading.get_ident()))
        assert len(set(reached)) == len(reached) == lanes
        await batcher.submit(list(range(12)))
        assert set(seen) <= set(reached)
        batcher.close()

    asyncio.run(scenario())


def test_request_given_up_while_waiting_never_runs() -> None:
    async def scenario() -> None:
        model = FakeModel()
        batcher = Batcher(model, lanes=1, max_batch=4)
        first = await submitted(batcher.submit([1]))
        await model.running()
        given_up = await submitted(batcher.submit([2]))
        kept = await submitted(batcher.submit([3, 4]))
        given_up.cancel()
        await asyncio.wait([given_up])
        model.let_through()
        await asyncio.gather(first, kept)
        assert model.passes == [[1], [3, 4]]
        assert batcher.unanswered == 0
        batcher.close()

    asyncio.run(scenario())


def test_request_given_up_while_running_leaves_the_others_their_results() -> None:
    async def scenario() -> None:
        model = FakeModel()
        batcher = Batcher(model, lanes=1, max_batch=4)
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
@given(
    st.lists(st.lists(st.integers(20, 1000), min_size=1, max_size=12), max_size=20),
    st.integers(1, 4),
)
def test_every_request_gets_its_own_results_in_order(requests: list[list[int]], lanes: int) -> None:
    async def scenario() -> None:
        model = FakeModel(free=True)
        batcher = Batcher(model, lanes, max_batch=8)
        answers = await asyncio.gather(*(batcher.submit(items) for items in requests))
        for items, (results, size) in zip(requests, answers, strict=True):
            assert results == [2 * item for item in items]
            assert 1 <= size <= 8
        assert sorted(chain(*model.passes)) == sorted(chain(*requests))
        batcher.close()

    asyncio.run(scenario())


def test_shed_fails_what_has_not_begun_and_nothing_else() -> None:
    async def scenario() -> None:
        model = FakeModel()
        batcher = Batcher(model, lanes=1, max_batch=2)
        running = await submitted(batcher.submit([1, 2, 3]))  # one batch runs, one waits
        await model.running()
        waiting = [await submitted(batcher.submit([n])) for n in (4, 5)]
        half_done = await submitted(batcher.submit([6], begun=True))
        assert batcher.unanswered == 6
        batcher.shed(ValueError("flooded"))
        for task in waiting:
            with pytest.raises(ValueError, match="flooded"):
                await task
        assert batcher.unanswered == 4
        model.let_through()
        assert await running == ([2, 4, 6], 2)
        assert await half_done == ([12], 2)
        assert model.passes == [[1, 2], [3, 6]]
        assert batcher.unanswered == 0
        assert await batcher.submit([7]) == ([14], 1)
        batcher.close()

    asyncio.run(scenario())


def test_what_runs_for_nobody_is_unanswered_until_its_lane_is_free() -> None:
    async def scenario() -> None:
        model = FakeModel()
        batcher = Batcher(model, lanes=1, max_batch=1)
        running = await submitted(batcher.submit([1]))
        await model.running()
        waiting = await submitted(batcher.submit([2]))
        for task in (running, waiting):
            task.cancel()
        await asyncio.wait([running, waiting])
        assert batcher.unanswered == 2
        model.let_through()
        assert await batcher.submit([3]) == ([6], 1)
        assert batcher.unanswered == 0
        batcher.close()

    asyncio.run(scenario())


def test_lanes_threads_are_named_so_that_a_dump_of_stacks_tells_them() -> None:
    def who(items: Sequence[int], *, alone: bool) -> list[str]:
        return [threading.current_thread().name for _ in items]

    async def scenario() -> None:
        batcher: Batcher[int, str] = Batcher(who, lanes=1, max_batch=1)
        assert await batcher.submit([1]) == (["lane_0"], 1)
        batcher.close()

    asyncio.run(scenario())


def test_close_waits_for_what_runs_and_ends_the_threads() -> None:
    lanes: list[threading.Thread] = []
    model = FakeModel()

    def work(items: Sequence[int], *, alone: bool) -> list[int]:
        lanes.append(threading.current_thread())
        return model(items, alone=alone)

    async def scenario() -> None:
        batcher = Batcher(work, lanes=1, max_batch=1)
        running = await submitted(batcher.submit([1]))
        await model.running()
        closing = asyncio.create_task(asyncio.to_thread(batcher.close))
        assert await asyncio.wait([closing], timeout=0.1) == (set(), {closing})
        model.let_through()
        await closing
        assert not lanes[0].is_alive()
        assert await running == ([2], 1)

    asyncio.run(scenario())


def test_nothing_is_kept_of_a_lane_that_has_ended() -> None:
    async def scenario() -> None:
        model = FakeModel()
        batcher = Batcher(model, lanes=1, max_batch=1)
        request = await submitted(batcher.submit([1]))
        await model.running()
        others = {asyncio.current_task(), request}
        lanes = [weakref.ref(task) for task in asyncio.all_tasks() if task not in others]
        model.let_through()
        await request
        gc.collect()
        assert [lane() for lane in lanes] == [None]
        batcher.close()

    asyncio.run(scenario())
