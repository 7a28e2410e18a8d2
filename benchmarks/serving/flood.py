"""Ten times as many requests as a server can answer: a part of `make benchmark-serving`.

Each contender in turns, in a new process: a lone client and sixteen in a closed loop; for a minute,
at random moments, ten times what it answered the sixteen; then a little more than half of that, to
see whether it recovers. Latencies count from the moment at which a request was due, those of
refusals too. Ours three times, of which the table has the medians; the others once, since they say
the same at length, and with ResNet50 the toolkit only.

Clients and server share this machine's CPUs, and a flood takes more of the clients' than an
ordinary load. Prints a table and writes flood.json.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.models import MODELS, RESNET50, package
from benchmarks.report import machine, write
from benchmarks.serving.contenders import CONTENDERS, MIXED, OURS, TOOLKIT, Server, running
from benchmarks.serving.photos import sample_photos
from benchmarks.serving.report import ms, outcomes, spread
from rigs.load import Target, closed_loop, open_loop, percentiles_ms

FACTOR, RECOVERY = 10, 0.6
LONE_S, USUAL_S, RECOVERY_S = 10.0, 4.0, 10.0
ROUNDS = 3
NOTICED_S = 1.0  # by then the queue is full, and the server should know what is happening
MEMORY_EVERY_S = 2.0
SEED = 1

Found = dict[str, list[dict[str, Any]]]  # contender: what `measure` gives, each time


def main() -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.flood")
    parser.add_argument("--quick", action="store_true", help="12 seconds, one model, ours only")
    options = parser.parse_args()
    seconds, rounds = (12.0, 1) if options.quick else (60.0, ROUNDS)
    photos, source = sample_photos()
    results: dict[str, Found] = {}
    with tempfile.TemporaryDirectory(prefix="serving-") as scratch, Progress() as progress:
        for name in MODELS[: 1 if options.quick else None]:
            few = (OURS, MIXED) if options.quick else (OURS, MIXED, TOOLKIT)
            every = name != RESNET50 and not options.quick
            chosen = [one for one in CONTENDERS if every or one.name in few]
            folder = package(name, Path(scratch))
            mine = [one for one in chosen if one.name in (OURS, MIXED)]
            turns = chosen + (rounds - 1) * mine
            found: Found = {one.name: [] for one in chosen}
            task = progress.add_task(name, total=len(turns))
            for contender in turns:
                progress.update(task, description=f"{name}: {contender.name}")
                with running(contender, folder, photos[0]) as server:
                    target = contender.target(server.url, photos)
                    found[contender.name].append(measure(server, target, seconds))
                progress.advance(task)
            results[name] = found
    report(results)
    content = {"command": "make benchmark-serving", "photos": source, "seconds": seconds}
    write("flood", content | {"machine": machine(), "models": results})
    return 0


def measure(server: Server, target: Target, seconds: float) -> dict[str, Any]:
    """A flood of `seconds`, what was before, and what comes after."""
    asyncio.run(closed_loop(target, 4, 1))  # warms up
    lone = asyncio.run(closed_loop(target, 1, LONE_S))
    usual = asyncio.run(closed_loop(target, 16, USUAL_S)).rate
    memory, ended = [server.memory_mb()], Event()

    def watch() -> None:
        while not ended.wait(MEMORY_EVERY_S):
            # Requests that nobody answers may hold all of this process's files.
            with suppress(OSError):
                memory.append(server.memory_mb())

    watcher = Thread(target=watch)
    watcher.start()
    try:
        flood = asyncio.run(open_loop(target, FACTOR * usual, seconds, SEED))
    finally:
        ended.set()
        watcher.join()
    after = asyncio.run(open_loop(target, RECOVERY * usual, RECOVERY_S, SEED))
    return {
        "lone": {"answers": len(lone.latencies), **lone.percentiles_ms()},
        "usual_s": round(usual, 1),
        "offered_s": round(FACTOR * usual, 1),
        "answered_s": round(flood.answered_within(seconds) / seconds, 1),
        "outcomes": dict(flood.outcomes),
        **flood.percentiles_ms(),
        "noticed": flood.percentiles_ms(since=NOTICED_S),
        "refusals": percentiles_ms(flood.refusals),
        "memory_mb": {"before": round(memory[0]), "most": round(max(memory))},
        "after": {"outcomes": dict(after.outcomes), **after.percentiles_ms()},
    }


def report(results: Mapping[str, Found]) -> None:
    """Print a table a model, and what the goals ask for."""
    console = Console(width=170)
    for name, found in results.items():
        table = Table(
            "", "offered/s", "answered/s", "p50 ms", "p99", "p99 after 1 s", "p99 alone",
            "429 p50 ms", "p99", "what came back", "MB before", "most", "afterwards", "p99 ms",
            title=f"{name}: ten times what it answers 16 clients, then {RECOVERY:.0%} of that",
        )  # fmt: skip
        for contender, runs in found.items():
            table.add_row(contender, *row(medians(runs)))
        console.print(table)
        for contender in (OURS, MIXED):
            runs = found[contender]
            whole = [run["p99_ms"] / run["lone"]["p99_ms"] for run in runs]
            noticed = [run["noticed"]["p99_ms"] / run["lone"]["p99_ms"] for run in runs]
            console.print(
                f"{name}, {contender}: p99 of the answers {spread(whole, '.1f')} x a lone "
                f"client's, without the first second {spread(noticed, '.1f')} x"
            )


def medians(runs: Sequence[Any]) -> Any:
    """One run of each number's median; of outcomes, what some runs lack counts as none."""
    if isinstance(runs[0], dict):
        keys = dict.fromkeys(key for run in runs for key in run)
        return {key: medians([run.get(key, 0) for run in runs]) for key in keys}
    return None if None in runs else median(runs)


def row(one: Mapping[str, Any]) -> Sequence[str]:
    """One contender's cells."""
    return (
        f"{one['offered_s']:.0f}", f"{one['answered_s']:.1f}", ms(one["p50_ms"]),
        ms(one["p99_ms"]), ms(one["noticed"]["p99_ms"]), ms(one["lone"]["p99_ms"]),
        ms(one["refusals"]["p50_ms"]), ms(one["refusals"]["p99_ms"]), outcomes(one["outcomes"]),
        str(one["memory_mb"]["before"]), str(one["memory_mb"]["most"]),
        outcomes(one["after"]["outcomes"]), ms(one["after"]["p99_ms"]),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
