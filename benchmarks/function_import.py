"""Import time of the function against boto3 and the same clients: `python -m
benchmarks.function_import`.

Each run is a fresh process with the variables Lambda sets (the tracer is on); the two programs take
turns. The floor is what any function that uses these three services pays. Writes
function_import.json.
"""

import argparse
import os
import statistics
import subprocess
import sys

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.report import ROOT, machine, write
from rigs.functions import CLASSIFY

FUNCTION = str(ROOT / "functions" / "classify")
ENVIRONMENT = CLASSIFY | {
    "PATH": os.defpath,
    "PYTHONPATH": FUNCTION,
    "LAMBDA_TASK_ROOT": FUNCTION,
}
TIMED = "import time; t = time.perf_counter()\n{}\nprint(time.perf_counter() - t)"
FLOOR = """import boto3
session = boto3.session.Session()
for name in ("s3", "dynamodb", "sagemaker-runtime"):
    session.client(name)"""
PROGRAMS = {"boto3 and the same clients": FLOOR, "classify.handler": "import classify.handler"}


def seconds(program: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", TIMED.format(program)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    for program in PROGRAMS.values():
        seconds(program)  # writes the byte code, fills the file cache
    taken: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in track(range(runs), "Importing"):
        for name, program in PROGRAMS.items():
            taken[name].append(seconds(program) * 1000)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    floor = medians["boto3 and the same clients"]
    table = Table("Fresh process", "Median ms", "Fastest ms", "Ratio", title=f"{runs} runs each")
    for name, values in taken.items():
        ratio = medians[name] / floor
        table.add_row(name, f"{medians[name]:.0f}", f"{min(values):.0f}", f"{ratio:.2f}")
    Console().print(table)
    write(
        "function_import",
        {
            "runs": runs,
            "median_ms": medians,
            "fastest_ms": {name: min(values) for name, values in taken.items()},
            "ratio": medians["classify.handler"] / floor,
            "machine": machine(),
        },
    )


if __name__ == "__main__":
    main()
