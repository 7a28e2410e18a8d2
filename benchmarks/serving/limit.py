"""How near the endpoint comes to what the bare engine can do: a part of `make benchmark-serving`.

The endpoint in float32 and the model called directly (bare.py) in turns, so that a machine that is
slower for a while is so for both; each figure is the median of what the turns show. The endpoint
gets one photo a request from 16 clients and from a lone one, and ten photos a request from three,
as the function sends them. Its clients share its CPUs, and it decodes; the bare model is given
pictures, but for the lone one, which it decodes too.

Prints a table and writes limit.json.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.models import MODELS, package
from benchmarks.report import machine, write
from benchmarks.serving.bare import BATCH, Bare
from benchmarks.serving.contenders import BATCH_CLIENTS, CONTENDERS, OURS, running
from benchmarks.serving.photos import sample_photos
from benchmarks.serving.report import spread
from rigs.load import Target, closed_loop
from serving.model import load
from serving.settings import Settings

TURNS = 9
CLIENTS = 16
SECONDS = 4.0  # its end, when fewer and fewer wait, is about a fiftieth of it

Turn = dict[str, float]


def main() -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.limit")
    parser.add_argument("--quick", action="store_true", help="two turns, one model")
    quick = parser.parse_args().quick
    turns = 2 if quick else TURNS
    photos, source = sample_photos()
    (ours,) = (one for one in CONTENDERS if one.name == OURS)
    results: dict[str, list[Turn]] = {}
    with tempfile.TemporaryDirectory(prefix="serving-") as scratch, Progress() as progress:
        for name in MODELS[: 1 if quick else None]:
            folder = package(name, Path(scratch))
            bare = Bare(load(folder, Settings().thread_count()), photos)
            with running(ours, folder, photos[0]) as server:
                singles, tens = ours.target(server.url, photos), ours.batches(server.url, photos)
                asyncio.run(closed_loop(singles, 4, 1))  # warms up
                results[name] = [
                    turn(bare, singles, tens)
                    for _ in progress.track(range(turns), description=name)
                ]
    report(results)
    write(
        "limit",
        {
            "command": "make benchmark-serving",
            "photos": source,
            "machine": machine(),
            "models": results,
        },
    )
    return 0


def turn(bare: Bare, singles: Target, tens: Target) -> Turn:
    """Images a second and milliseconds of each."""
    found = {
        "bare_passes_s": bare.passes_of_ten(SECONDS),
        "clients_s": asyncio.run(closed_loop(singles, CLIENTS, SECONDS)).rate,
        "bare_lanes_s": bare.lanes(SECONDS),
        "batches_s": BATCH * asyncio.run(closed_loop(tens, BATCH_CLIENTS, SECONDS)).rate,
        "bare_lone_ms": 1000 * bare.single_s(),
        "lone_ms": 1000 * median(asyncio.run(closed_loop(singles, 1, SECONDS)).latencies),
    }
    return {key: round(value, 2) for key, value in found.items()}


def report(results: Mapping[str, Sequence[Turn]]) -> None:
    """Medians of the turns' own ratios, and their range."""
    table = Table(
        "", "16 clients, of bare passes of ten", "of bare lanes", "in batches of ten", "of lanes",
        "a lone request, ms over decode + pass",
        title="float32, beside the engine alone: median (lowest to highest of the turns)",
    )  # fmt: skip
    for name, turns in results.items():
        table.add_row(
            name,
            *(
                spread([one[ours] / one[bare] for one in turns], ".0%")
                for ours in ("clients_s", "batches_s")
                for bare in ("bare_passes_s", "bare_lanes_s")
            ),
            spread([one["lone_ms"] - one["bare_lone_ms"] for one in turns], ".1f"),
        )
    Console(width=170).print(table)


if __name__ == "__main__":
    sys.exit(main())
