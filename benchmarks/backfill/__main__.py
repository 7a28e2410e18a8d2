"""A back-fill under fire, and how its cost grows: `python -m benchmarks.backfill`.

    --objects N   photos in the bucket that is full already, default 100000 (an hour; 3000 with two
                  kills: minutes); 0: calls are counted, and nothing else
    --live N      uploads at random moments while the back-fill runs, default 500
    --kills N     kill -9 of the lister and of the classify function, at random moments, default 20
    --pace N      PACE of the back-fill, photos a second, default 60; 0: as fast as it can
    --answer-ms N what the endpoint takes for a request, default 55: a lone one of ResNet50 under
                  Ray Serve (docs/figures.md)
    --grow N ...  sizes for the counts of calls, default 1000 10000 100000; without any, none is
                  counted

The back-fill is stopped and resumed all the time. About so many uploads come while it runs, and
half as many in its pauses: side by side, whatever else the machine does. Their waits are
`latency_ms` of their rows: from the moment S3 had the photo. A small model stands for an endpoint
on a machine of its own: it takes time and no arithmetic (rigs/small_model.py). Cloud, functions and
uploader share this machine's cores. A kill of the classify function holds up the uploads that it
has in hand, and some more, for the visibility time-out of the queue: many kills in a short run are
all that the waits then tell of. Writes backfill.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.backfill import running
from benchmarks.backfill.counting import Counts
from benchmarks.backfill.pricing import ASSUMPTIONS, CONCURRENCIES, bills, usd_a_photo
from benchmarks.report import machine, results_folder, write

SEED = 7
GOAL = 1.3
# Photos a second, where PACE does not say it.
FULL_SPEED = 60


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--live", type=int, default=500)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pace", type=float, default=60)
    parser.add_argument("--answer-ms", type=float, default=55)
    parser.add_argument("--grow", type=int, nargs="*", default=[1000, 10_000, 100_000])
    options = parser.parse_args()
    console = Console()
    path = results_folder() / "backfill.json"
    # What is not measured now is what it was.
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    result: dict[str, Any] = before | {"machine": machine()}
    if options.objects:
        load = os.getloadavg()[0]
        result["race"] = race(options, console) | {"load_before": load}
        show_race(result["race"], console)
    if options.grow:
        result["growth"] = {str(size): growth(size, console) for size in options.grow}
        show_growth(result["growth"], console)
        show_bills(result["growth"][str(options.grow[-1])], console)
    write("backfill", result)
    return 0 if not options.objects or is_right(result["race"]["found"]) else 1


def is_right(found: Mapping[str, Any]) -> bool:
    """One row for each object, answered once."""
    wrong = ("objects_without_row", "rows_without_object", "rows_answered_again")
    return not any(found[name] for name in wrong)


def race(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The counts of must-show 1."""
    objects, live = options.objects, options.live
    with running.stack(takes_s=options.answer_ms / 1000) as lane:
        running.fill(lane, objects, console)
        rate = live * (options.pace or FULL_SPEED) / objects
        with console.status(f"back-fill of {objects} objects, with uploads and kills"):
            draw = random.Random(SEED)
            during = running.race(lane, objects, rate, options.kills, options.pace, draw)
            running.quiet(lane, "QueueUrl", "BackfillQueueUrl")
        found = running.verdict(lane, objects, during.uploads)
    waits = found["live_wait_ms"]
    return {
        "objects": objects,
        "live": live,
        "pace": options.pace,
        "answer_ms": options.answer_ms,
        "seconds": during.seconds,
        "photos_a_second": objects / during.seconds,
        "kills": dict(during.kills),
        "stops": during.stops,
        "memory": during.memory,
        "found": found,
        "median_wait_ratio": waits["beside"]["median"] / waits["alone"]["median"],
    }


def growth(size: int, console: Console) -> dict[str, float]:
    """What one photo of so many needs."""
    counts = Counts()
    with running.stack(counts) as lane:
        running.fill(lane, size, console)
        counts.found.clear()
        with console.status(f"back-fill of {size} objects, calls counted"):
            command = running.start(lane)
            if command.wait():
                raise SystemExit((lane.cloud.state_dir / "make.out").read_text())
        counts.found["transitions"] = running.transitions(lane)
    return {name: count / size for name, count in sorted(counts.found.items())}


def show_race(told: Mapping[str, Any], console: Console) -> None:
    found = told["found"]
    table = Table(
        "what", "count", title=f"{told['objects']:,} objects, {told['live']} live uploads"
    )
    table.add_row("photos a second", f"{told['photos_a_second']:.1f}")
    table.add_row("stops, and kills", f"{told['stops']}, {told['kills']}")
    for name in ("rows", "objects_without_row", "rows_without_object", "rows_answered_again",
                 "dead_letters", "photos_asked_of_the_endpoint"):  # fmt: skip
        table.add_row(name.replace("_", " "), f"{found[name]:,}")
    for name, wait in found["live_wait_ms"].items():
        table.add_row(
            f"live upload to row, {name}: median, 95 %, longest",
            f"{wait['median']:,.0f}, {wait['p95']:,.0f}, {wait['max']:,.0f} ms ({wait['count']})",
        )
    table.add_row(
        f"median with, against without (goal: {GOAL})", f"{told['median_wait_ratio']:.2f}"
    )
    for part, memory in told["memory"].items():
        quarters = (memory[f"{quarter}_quarter_mb"] for quarter in ("second", "last"))
        table.add_row(
            f"MB of {part}, second and last quarter", ", ".join(f"{each:.0f}" for each in quarters)
        )
    console.print(table)


def show_growth(told: Mapping[str, Mapping[str, float]], console: Console) -> None:
    table = Table("a photo needs", *(f"of {int(size):,}" for size in told), title="How cost grows")
    for name in next(iter(told.values())):
        table.add_row(name, *(f"{of.get(name, 0):.4f}" for of in told.values()))
    console.print(table)


def show_bills(a_photo: Mapping[str, float], console: Console) -> None:
    table = Table(
        "photos",
        *(f"USD, {service}" for service in usd_a_photo(a_photo)),
        "all",
        *(f"hours with {each} functions (endpoint USD)" for each in CONCURRENCIES),
        title="Computed for AWS",
    )
    for bill in bills(a_photo):
        parts = [f"{bill.photos * usd:,.2f}" for usd in usd_a_photo(a_photo).values()]
        hours = [f"{bill.hours[c]:,.1f} ({bill.endpoint_usd[c]:,.2f})" for c in CONCURRENCIES]
        table.add_row(f"{bill.photos:,}", *parts, f"{bill.usd:,.2f}", *hours)
    console.print(table)
    for assumption in ASSUMPTIONS:
        console.print(f"- {assumption}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
