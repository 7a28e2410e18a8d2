"""Clients: closed loop (each sends when it has its answer) and open loop (at a rate, regardless).

An open loop's latency runs from the moment at which a request was due, so that a server that
stalls pays for all the requests that came meanwhile ("coordinated omission" would spare it).
"""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import ceil

import aiohttp

# A caller gives up then, as the function's read time-out has it.
TIMEOUT_S = 20
TOO_MANY = 429


@dataclass
class Sample:
    """What came back: outcomes by HTTP status or kind of failure, seconds of the answers (200).

    `dues` has, for each of these, when it was due, on the clock that `started` is on.
    """

    started: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    dues: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)  # seconds of those with 429

    @property
    def rate(self) -> float:
        """Answers (200) a second."""
        return len(self.latencies) / self.seconds

    def percentiles_ms(self, since: float = 0.0) -> dict[str, float | None]:
        """Milliseconds within which 50, 95, 99 % of the answers came (nearest rank).

        Without those to requests that were due in the first `since` seconds.
        """
        pairs = zip(self.latencies, self.dues, strict=True)
        return percentiles_ms([took for took, due in pairs if due >= self.started + since])

    def answered_within(self, seconds: float) -> int:
        """Answers (200) that had come so many seconds after the start."""
        pairs = zip(self.latencies, self.dues, strict=True)
        return sum(due + took <= self.started + seconds for took, due in pairs)


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float | None]:
    """Milliseconds below which 50, 95, 99 % are, None where there are none."""
    ordered = sorted(seconds)
    return {
        f"p{p}_ms": round(1000 * ordered[ceil(p * len(ordered) / 100) - 1], 2) if ordered else None
        for p in (50, 95, 99)
    }


@dataclass(frozen=True)
class Target:
    """Where to send what; `bodies` are sent in turns."""

    url: str
    content_type: str
    bodies: Sequence[bytes]


async def closed_loop(target: Target, clients: int, seconds: float) -> Sample:
    """`clients` at a time for about `seconds`: until then new requests start, and all end."""
    bodies = itertools.cycle(target.bodies)
    async with session() as http:
        sample = Sample()

        async def client() -> None:
            while (due := time.perf_counter()) - sample.started < seconds:
                await send(http, target, next(bodies), due, sample)

        await asyncio.gather(*(client() for _ in range(clients)))
        sample.seconds = time.perf_counter() - sample.started
    return sample


async def open_loop(target: Target, rate: float, seconds: float, seed: int) -> Sample:
    """`rate` requests a second on average for `seconds`, at random (Poisson) moments."""
    bodies = itertools.cycle(target.bodies)
    async with session() as http:
        sample = Sample()
        waiting = set()
        for moment in moments(rate, seconds, seed):
            due = sample.started + moment
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            task = asyncio.create_task(send(http, target, next(bodies), due, sample))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        if waiting:
            await asyncio.wait(waiting)
        sample.seconds = time.perf_counter() - sample.started
    return sample


def moments(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Seconds from the start at which requests are due."""
    gaps = random.Random(seed)
    moment = gaps.expovariate(rate)
    while moment < seconds:
        yield moment
        moment += gaps.expovariate(rate)


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A client without a limit of connections; each is kept and used again."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
    ) as http:
        yield http


async def send(
    http: aiohttp.ClientSession, target: Target, body: bytes, due: float, sample: Sample
) -> None:
    """One request, counted by how it ended."""
    headers = {"Content-Type": target.content_type}
    try:
        async with http.post(target.url, data=body, headers=headers) as response:
            await response.read()
    except TimeoutError:
        sample.outcomes["timeout"] += 1
    except aiohttp.ClientError as error:
        sample.outcomes[type(error).__name__] += 1
    else:
        sample.outcomes[str(response.status)] += 1
        if response.status == 200:
            sample.latencies.append(time.perf_counter() - due)
            sample.dues.append(due)
        elif response.status == TOO_MANY:
            sample.refusals.append(time.perf_counter() - due)
