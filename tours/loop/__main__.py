"""`python -m tours.loop`: verify, upload, tune, train, deploy, predict, evaluate, on a local cloud.

    --data DIR   the data set: train/, valid/ and test/ folders of class folders, or one folder
    --out FILE   the figures as JSON (default loop.json)
    --config F   another configuration of the jobs than training/jobs/config.toml
    --set K=V    changes it for this run, e.g. tuning.max_jobs=4

Every artefact and plot goes below .tours/loop. Each step is a command that can be run alone, on AWS
too; the log there names them all.

Exit codes: 0 done, 1 a step failed (it says what), 2 used wrongly.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from local.launch import ROOT, Cloud, CloudError
from tours.loop import report
from tours.loop.commands import DATA_BUCKET, Commands
from tours.steps import StepError, Steps

WORK = ROOT / ".local" / "loop"
PIPE_WIDTH = 150
NO_DATA = """\
make loop wants a data set: make loop DATA=<folder> OUT=loop.json
The folder holds train/, valid/ and test/ with a folder a class each (001.Affenpinscher, ...),
or just a folder a class, which is then split.
The usual 133 breeds (1.1 GB): .venv/project/bin/python -m training.data download <folder>"""


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make loop", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("loop.json"))
    parser.add_argument("--config", type=Path)
    parser.add_argument("--set", action="append", default=[])
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the loop; returns the process's exit code."""
    args = _arguments(arguments)
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    if args.data is None or not args.data.is_dir():
        if args.data is not None:
            console.print(f"{args.data}: no such folder.", style="red", markup=False)
        console.print(NO_DATA, markup=False, highlight=False)
        return 2
    if args.config is not None and not args.config.is_file():
        console.print(f"{args.config}: no such file.", style="red", markup=False)
        return 2
    # A plain kill must stop the cloud too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    try:
        _run(args, console, began)
    except (StepError, CloudError, report.MissingResultError) as error:
        console.print("[red]The loop failed.[/red]")
        console.print(str(error), markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; the local cloud is stopped.")
        return 1
    return 0


def _run(args: argparse.Namespace, console: Console, began: float) -> None:
    shutil.rmtree(
        WORK, ignore_errors=True
    )  # results of an earlier run would be taken for this one's
    steps = Steps(console, WORK / "loop.log")
    with tempfile.TemporaryDirectory(prefix="breed-classifier-loop-") as state:
        cloud = Cloud(Path(state) / "cloud")
        try:
            with steps.step("local cloud"):
                cloud.start()
                cloud.client("s3").create_bucket(Bucket=DATA_BUCKET)
            env = cloud.environment() | {"PYTHONUNBUFFERED": "1"}  # lines arrive as they are made
            config = args.config.resolve() if args.config else None
            for command in Commands(args.data.resolve(), WORK, args.set, config).all():
                steps.run(command.title, command.words, env, ROOT, echo=True)
        finally:
            cloud.stop()
            _keep_log(cloud)
    figures = report.collect(WORK, args.data, steps.seconds, time.monotonic() - began)
    report.write(figures, args.out)
    for line in report.words(figures):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"Figures: {args.out}. Everything else: {WORK}", highlight=False, soft_wrap=True)


def _keep_log(cloud: Cloud) -> None:
    """The cloud's own log outlives its state."""
    log = cloud.state_dir / "cloud.log"
    if log.exists():
        shutil.copy(log, WORK / log.name)


if __name__ == "__main__":
    sys.exit(main())
