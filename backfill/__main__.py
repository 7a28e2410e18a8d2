"""`python -m backfill photos s3://bucket/prefix`, `python -m backfill rows`: see docs/backfill.md.

    photos   answer what a bucket holds already (`make backfill`)
    rows     answer again what older models answered (`make reclassify`)

Both count and price first, ask, deploy the stack beside the classifier's if need be, start a job
and show it until its last photo is answered. Ctrl-C leaves it running. `--status`, `--stop` and
`--resume` are about the newest job, or `--job`.

AWS's own credentials and region count, or the local cloud's (`eval "$(make -s env)"`).
Exit codes: 0 done, 1 failed (it says what), 2 used wrongly.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import boto3
from rich.console import Console

from backfill import commands, jobs, lane
from backfill.wanted import Wanted, at_pace, photos_job, rows_job, served_version
from training.jobs.terminal import exit_code, make_console


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the process's exit code."""
    options = _parser().parse_args(arguments)
    console = make_console()
    return exit_code(lambda: _run(options, console))


def _run(options: argparse.Namespace, console: Console) -> int:
    clients = cache(boto3.client)
    found = lane.look(clients, options.stack)
    context = commands.Context(clients, found, options.out, console)
    if options.status:
        return commands.status(context, options.job)
    if options.stop:
        return commands.stop(context, options.job)
    if options.resume:
        return commands.resume(context, options.job, options.pace, options.window)
    now = datetime.now(UTC)
    name = jobs.new_name(options.command)
    if options.command == "photos":
        job = photos_job(name, options.address, options.window, now)
    else:
        wanted = Wanted(options.breed, options.below, options.since, options.before)
        model = served_version(clients("sagemaker-runtime"), found.endpoint)
        job = rows_job(name, wanted, model, options.window, now)
    return commands.run(context, at_pace(job, options.pace), options.rate, options.yes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backfill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = parser.add_subparsers(dest="command", required=True)
    photos, rows = names.add_parser("photos"), names.add_parser("rows")
    photos.add_argument("address", metavar="s3://bucket/prefix", nargs="?", default="")
    rows.add_argument("--breed", default="", help="only what the model calls by this breed")
    rows.add_argument("--below", default="", help="only with a confidence below it, such as 0.6")
    rows.add_argument("--since", default="", help="only what was first answered since that day")
    rows.add_argument("--before", default="", help="only what was first answered before that day")
    for command in (photos, rows):
        command.add_argument("--stack", default="breed-classifier", help="default %(default)s")
        command.add_argument("--job", default="", help="default: the newest")
        command.add_argument("--window", default="", help="02:00-06:00, or with Europe/Berlin")
        command.add_argument(
            "--pace", type=float, default=0, help="at most so many photos a second"
        )
        command.add_argument("--rate", type=float, help="photos a second, for hours and dollars")
        command.add_argument("--out", type=Path, default=Path(".local/backfill"))
        command.add_argument("--yes", action="store_true", help="start without asking")
        about = command.add_mutually_exclusive_group()
        about.add_argument("--status", action="store_true")
        about.add_argument("--stop", action="store_true")
        about.add_argument("--resume", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
