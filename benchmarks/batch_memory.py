"""Peak memory of one batch of ten 12-megapixel JPEGs: `python -m benchmarks.batch_memory`.

A fresh process imports the real handler, clients included, and handles a real SQS event; only the
three AWS clients are replaced by ones that read files and keep rows. Goal: under 256 MB. The first
figure is the same process before the batch. Writes batch_memory.json.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BATCH = 10
GOAL_MB = 256


class Aws:
    """Just enough of S3, DynamoDB and the SageMaker runtime, in this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.rows: list[Mapping[str, Any]] = []

    def get_object(self, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803 - boto3's name
        path = self._folder / Key
        return {"ContentLength": path.stat().st_size, "Body": path.open("rb")}

    def batch_get_item(self, **_: object) -> dict[str, Any]:
        return {"Responses": {}}

    def put_item(self, Item: Mapping[str, Any], **_: object) -> None:  # noqa: N803 - boto3's name
        self.rows.append(Item)

    def invoke_endpoint(self, Body: bytes, **_: object) -> dict[str, Any]:  # noqa: N803
        one = {"label": "Pug", "confidence": 0.9, "top": [{"label": "Pug", "probability": 0.9}]}
        predictions = [one] * len(json.loads(Body)["instances"])
        answer = {"model": {"version": "1"}, "predictions": predictions}
        return {"Body": io.BytesIO(json.dumps(answer).encode())}


class Context:
    function_name = invoked_function_arn = aws_request_id = "benchmark"
    memory_limit_in_mb = 1769

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def message(key: str) -> dict[str, object]:
    described = {"bucket": {"name": "uploads"}, "object": {"key": key, "sequencer": "1"}}
    record = {"eventName": "ObjectCreated:Put", "s3": described}
    return {"attributes": {}, "messageId": key, "body": json.dumps({"Records": [record]})}


def peak_mb() -> float:
    """VmHWM: unlike getrusage's figure it does not begin with what the parent had resident."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def handle_one_batch(folder: Path) -> None:
    """The measured process: prints its figures as its last line."""
    from classify import clients, handler

    before = peak_mb()
    aws = Aws(folder)
    handler.PORTS = clients.wire(handler.SETTINGS, aws, aws, aws, lambda: aws)
    event = {"Records": [message(path.name) for path in sorted(folder.iterdir())]}
    result = handler.handle(event, Context())
    if result["batchItemFailures"] or len(aws.rows) != BATCH:
        raise SystemExit(f"the batch was not answered: {result}")
    print(json.dumps({"imported_mb": before, "peak_mb": peak_mb()}))


def run_fresh(folder: Path) -> dict[str, float]:
    from benchmarks.function_import import ENVIRONMENT, ROOT

    path = f"{ROOT}{os.pathsep}{ENVIRONMENT['PYTHONPATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.batch_memory", "--batch", str(folder)],
        env=ENVIRONMENT | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--batch", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.batch:
        handle_one_batch(arguments.batch)
        return
    report(arguments.runs)


def report(runs: int) -> None:
    # Imported here: the measured process is this module too, and must hold the function alone.
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    from benchmarks.pictures import drawn, jpeg
    from benchmarks.report import machine, write

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for index in track(range(BATCH), "Drawing"):
            (folder / f"{index}.jpg").write_bytes(jpeg(drawn(index)))
        megabytes = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        figures = [run_fresh(folder) for _ in track(range(runs), "Handling a batch")]
    imported = statistics.median(each["imported_mb"] for each in figures)
    peak = statistics.median(each["peak_mb"] for each in figures)
    table = Table("Ten 12-megapixel JPEGs", "MB", title=f"median of {runs} fresh processes")
    table.add_row("files", f"{megabytes:.0f}")
    table.add_row("resident after import", f"{imported:.0f}")
    table.add_row("peak resident of the batch", f"{peak:.0f}")
    table.add_row("goal", f"< {GOAL_MB}")
    Console().print(table)
    write(
        "batch_memory",
        {
            "runs": runs,
            "files_mb": megabytes,
            "imported_mb": imported,
            "peak_mb": peak,
            "goal_mb": GOAL_MB,
            "ratio_to_goal": peak / GOAL_MB,
            "machine": machine(),
        },
    )


if __name__ == "__main__":
    main()
