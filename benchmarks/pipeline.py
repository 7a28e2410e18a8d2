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
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from botocore.config import Config
from rich.console import Console
from rich.table import Table

from benchmarks.report import ROOT, machine, write
from local.launch import Cloud
from rigs.photos import DOGS
from tours.demo import photos as demo_photos
from tours.stack import LOCAL_CONCURRENCY, PREFIX, deploy
from tours.steps import Steps

MODEL = ROOT / ".local" / "starter" / "model.tar.gz"
UPLOADERS = 8
DEADLINE_S = 300
LOG_GROUP = "/aws/lambda/breed-classifier-classify"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
        cloud = Cloud(Path(folder) / "state")
        try:
            cloud.start()
            runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
            outputs = deploy(cloud, Steps(console, Path(folder) / "log"), MODEL, runtime)
            contents, source = pictures(Path(folder), options.photos)
            burst(cloud, outputs, contents[:20], "warm")
            rates = []
            for run in range(options.runs):
                with console.status(f"run {run + 1} of {options.runs}"):
                    rates.append(len(contents) / burst(cloud, outputs, contents, f"run-{run}"))
            stages = stage_seconds(cloud)
        finally:
            cloud.stop()
    report(console, rates, stages, source, len(contents))
    return 0


def pictures(folder: Path, count: int) -> tuple[list[bytes], str]:
    """`count` files, the same ones again when there are not so many."""
    real = sorted((DOGS / "test").glob("*/*.jpg"))
    if real:
        step = max(1, len(real) // count)
        chosen = list(islice(cycle(real[::step]), count))
        return [path.read_bytes() for path in chosen], "dog photos, 224x224 JPEG"
    drawn = demo_photos.drawn(folder / "drawings").files
    return [path.read_bytes() for path in islice(cycle(drawn), count)], "drawings, 480x360 JPEG"


def burst(cloud: Cloud, outputs: dict[str, str], contents: list[bytes], name: str) -> float:
    """Seconds from the first upload to the last row."""
    s3 = cloud.client("s3", config=Config(max_pool_connections=UPLOADERS))
    keys = [f"{PREFIX}{name}/{number}.jpg" for number in range(len(contents))]
    table = cloud.resource("dynamodb").Table(outputs["TableName"])

    def put(key: str, content: bytes) -> None:
        s3.put_object(Bucket=outputs["BucketName"], Key=key, Body=content)

    # A scan's page is a megabyte: rows of other bursts must not fill it.
    with table.batch_writer() as writer:
        for row in table.scan(ProjectionExpression="image_key")["Items"]:
            writer.delete_item(Key=row)
    started = time.perf_counter()
    with ThreadPoolExecutor(UPLOADERS) as pool:
        list(pool.map(put, keys, contents))
    while (done := table.scan(Select="COUNT")["Count"]) < len(keys):
        if time.perf_counter() - started > DEADLINE_S:
            raise SystemExit(f"only {done} of {len(keys)} rows after {DEADLINE_S} s")
        time.sleep(0.05)
    return time.perf_counter() - started


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
