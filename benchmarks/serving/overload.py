"""More than a server can answer: what comes back, how fast, and what it costs the server."""

import asyncio
from threading import Event, Thread
from typing import Any

from benchmarks.serving.contenders import Server
from benchmarks.serving.load import Target, open_loop

FACTOR = 10
SEED = 1
MEMORY_EVERY_S = 2.0
NOTICED_S = 1.0  # by then the queue is full, and the server should know what is happening


def overload(server: Server, target: Target, usual: float, seconds: float) -> dict[str, Any]:
    """FACTOR times the `usual` requests a second, in an open loop, then few."""
    memory, ended = [server.memory_mb()], Event()

    def watch() -> None:
        while not ended.wait(MEMORY_EVERY_S):
            memory.append(server.memory_mb())

    watcher = Thread(target=watch)
    watcher.start()
    try:
        sample = asyncio.run(open_loop(target, FACTOR * usual, seconds, SEED))
    finally:
        ended.set()
        watcher.join()
    after = asyncio.run(open_loop(target, usual / 4, 2, SEED))
    return {
        "offered_s": round(FACTOR * usual, 1),
        "seconds": seconds,
        "answered_s": round(sample.rate, 1),
        "outcomes": dict(sample.outcomes),
        **sample.percentiles_ms(),
        "noticed": sample.percentiles_ms(since=NOTICED_S),
        "memory_mb": {
            "before": round(memory[0]),
            "most": round(max(memory)),
            "last": round(memory[-1]),
        },
        "outcomes_after": dict(after.outcomes),
    }
