"""The benchmark's clients, against a small server that counts who is there."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from aiohttp import web

from rigs.load import Sample, Target, closed_loop, moments, open_loop, percentiles_ms

Handler = Callable[[web.Request], Awaitable[web.Response]]


async def served(handler: Handler, use: Callable[[Target], Awaitable[Sample]]) -> Sample:
    """What `use` finds at a server with this handler."""
    app = web.Application()
    app.router.add_post("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        return await use(Target(f"http://127.0.0.1:{port}/", "text/plain", [b"0", b"1", b"2"]))
    finally:
        await runner.cleanup()


def test_closed_loop_has_as_many_requests_in_flight_as_clients() -> None:
    inside, most = 0, 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1
        return web.Response()

    sample = asyncio.run(served(handler, lambda target: closed_loop(target, 3, 0.2)))
    assert most == 3
    assert set(sample.outcomes) == {"200"}
    assert len(sample.latencies) == sample.outcomes["200"] > 3


def test_open_loop_sends_although_nothing_is_answered() -> None:
    expected = len(list(moments(200, 0.3, seed=1)))
    all_are_here, count = asyncio.Event(), 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        if count == expected:
            all_are_here.set()
        await all_are_here.wait()
        return web.Response()

    sample = asyncio.run(served(handler, lambda target: open_loop(target, 200, 0.3, seed=1)))
    assert sample.outcomes == {"200": expected}
    # The first one waited for the last one to be due: its latency says so.
    first, last = (list(moments(200, 0.3, seed=1))[at] for at in (0, -1))
    assert max(sample.latencies) >= last - first


def test_refusals_and_broken_connections_are_counted_and_have_no_latency() -> None:
    async def handler(request: web.Request) -> web.Response:
        number = await request.text()
        if number == "1" and request.transport:
            request.transport.close()
        return web.Response(status=429 if number == "2" else 200)

    sample = asyncio.run(served(handler, lambda target: open_loop(target, 300, 0.2, seed=2)))
    assert set(sample.outcomes) == {"200", "429", "ServerDisconnectedError"}
    assert len(sample.latencies) == sample.outcomes["200"]


def test_moments_are_those_of_a_poisson_process() -> None:
    found = list(moments(100, 50, seed=3))
    assert found == sorted(found) == list(moments(100, 50, seed=3))
    assert 0 < found[0] < found[-1] < 50
    assert len(found) == pytest.approx(5000, abs=4 * 5000**0.5)
    gaps = [after - before for before, after in pairwise(found)]
    within_mean = sum(gap < 0.01 for gap in gaps) / len(gaps)
    assert within_mean == pytest.approx(0.632, abs=0.03)  # 1 - 1/e


def test_percentiles_are_nearest_ranks_in_milliseconds() -> None:
    many = percentiles_ms([n / 1000 for n in range(200, 0, -1)])
    assert many == {"p50_ms": 100, "p95_ms": 190, "p99_ms": 198}
    assert percentiles_ms([0.5]) == {f"p{p}_ms": 500 for p in (50, 95, 99)}
    assert percentiles_ms([]) == {f"p{p}_ms": None for p in (50, 95, 99)}


def test_first_seconds_are_left_out_by_when_a_request_was_due_and_late_answers_by_their_end() -> (
    None
):
    sample = Sample(started=50, latencies=[3, 0.5, 1.5], dues=[50.9, 51, 52])
    assert sample.percentiles_ms()["p99_ms"] == 3000
    assert sample.percentiles_ms(since=1)["p99_ms"] == 1500
    assert [sample.answered_within(seconds) for seconds in (1, 2, 3.6, 4)] == [0, 1, 2, 3]
