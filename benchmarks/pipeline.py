"""The whole local path: `python -m benchmarks.pipeline [--photos 200] [--runs 3]`.

Starts a local cloud, deploys the real template and the starter model with sam, and uploads the
photos in a burst with boto3, 8 at a time, each run under new keys. Photos a second: from the first
upload to the last row. The share of time is the function's own: `stage_ms` of its log, summed over
all batches. Writes pipeline.json.

What shapes the number: function, endpoint, cloud and uploader share this machine's cores, so the
figure says where the time goes, not what AWS would do. `make model` has to have run.
"""

import argparse
import json
import statistics
import sys
from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.report import machine, write
from benchmarks.whole_path import deployed
from local.launch import Cloud
from tours.stack import LOCAL_CONCURRENCY

LOG_GROUP = "/aws/lambda/breed-classifier-classify"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    console = Console()
    with deployed(console, options.photos) as path:
        path.burst(path.contents[:20], "warm")
        rates = []
        for run in range(options.runs):
            with console.status(f"run {run + 1} of {options.runs}"):
                rates.append(len(path.contents) / path.burst(path.contents, f"run-{run}"))
        stages = stage_seconds(path.cloud)
    report(console, rates, stages, path.source, len(path.contents))
    return 0


def stage_seconds(cloud: Cloud) -> dict[str, float]:
    """Seconds the function spent in each stage, over all batches."""
    total: Counter[str] = Counter()
    pages = cloud.client("logs").get_paginator("filter_log_events")
    for page in pages.paginate(logGroupName=LOG_GROUP, filterPattern='"Batch done"'):
        for event in page["events"]:
            line: dict[str, Any] = json.loads(event["message"])
            total.update({stage: ms / 1000 for stage, ms in line["stage_ms"].items()})
    return dict(total)


def report(
    console: Console, rates: list[float], stages: dict[str, float], source: str, count: int
) -> None:
    whole = sum(stages.values())
    table = Table("What", "Value", title=f"{len(rates)} runs of {count} {source}")
    table.add_row("photos a second, median", f"{statistics.median(rates):.1f}")
    table.add_row("photos a second, each run", ", ".join(f"{rate:.1f}" for rate in rates))
    for stage, seconds in stages.items():
        table.add_row(f"share of the function's time: {stage}", f"{seconds / whole:.0%}")
    console.print(table)
    write(
        "pipeline",
        {
            "photos": count,
            "source": source,
            "function_concurrency": LOCAL_CONCURRENCY,
            "photos_a_second": rates,
            "median_photos_a_second": statistics.median(rates),
            "stage_share": {stage: seconds / whole for stage, seconds in stages.items()},
            "machine": machine(),
        },
    )


if __name__ == "__main__":
    sys.exit(main())
