"""`python -m operate COMMAND --stack NAME`: smoke, release, drift, destroy.

    smoke     one photo through the deployed stack, upload to row; deleted again
    release   deploy this checkout, smoke, watch the alarms; the stack before, if any of it fails
    drift     what the nightly watch has found, as a table and a page
    destroy   list what costs and what holds data, ask for the stack's name, delete

AWS's own credentials and region count, or the local cloud's (`eval "$(make -s env)"`).
Exit codes: 0 done, 1 failed (it says what), 2 used wrongly.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from rich.console import Console

from operate import smoke as smoking
from operate.destroy import destroy
from operate.drift import drift, forget
from operate.release import Plan, release
from training.jobs import stack as stacks
from training.jobs.errors import UsageError
from training.jobs.terminal import exit_code, make_console, say


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the process's exit code."""
    options = _parser().parse_args(arguments)
    console, clients = make_console(), cache(_client)
    return exit_code(lambda: _run(options, clients, console))


# A function may run for a quarter of an hour; asked again meanwhile, it would run twice. CloudWatch
# refuses who asks too often, and a release is not taken back for that.
_PATIENCE = {
    "lambda": Config(read_timeout=910, retries={"total_max_attempts": 1}),
    "cloudwatch": Config(retries={"mode": "standard", "total_max_attempts": 10}),
}


def _client(service: str) -> Any:
    return boto3.client(service, config=_PATIENCE.get(service))


def _run(options: argparse.Namespace, clients: Callable[[str], Any], console: Console) -> int:
    if options.command == "destroy":
        destroy(clients, options.stack, options.data == "delete", _asker(options.confirm), console)
        return 0
    if options.command == "drift":
        if options.forget:
            forget(clients, options.stack, console)
            return 0
        drift(clients, options.stack, options.day, options.out, console)
        return 0
    photo = (
        smoking.of_file(options.photo, options.breed or None) if options.photo else smoking.drawn()
    )
    printed = partial(say, console)
    if options.command == "smoke":
        deployed = stacks.look(clients("cloudformation"), options.stack)
        smoking.smoke(clients, deployed, photo, printed)
        return 0
    plan = Plan(
        options.stack,
        options.model_url,
        options.first_model_url,
        options.parameters,
        photo,
        60 * options.watch,
    )
    release(clients, plan, printed)
    return 0


def _day(text: str) -> str:
    """argparse names the option and the text."""
    day = date.fromisoformat(text)
    if day > datetime.now(UTC).date():
        raise argparse.ArgumentTypeError(f"{day} is still to come")
    return day.isoformat()


def _asker(given: str) -> Callable[[str], str]:
    """Asks at the terminal; `given` has answered already, and stands for who has no terminal."""

    def ask(question: str) -> str:
        if given:
            print(f"{question}{given}")
            return given
        try:
            return input(question)
        except EOFError:
            raise UsageError(
                f"{question}\nThere is no terminal to ask at: CONFIRM=name-of-the-stack answers."
            ) from None

    return ask


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m operate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    smoke, released = commands.add_parser("smoke"), commands.add_parser("release")
    destroyed, drifted = commands.add_parser("destroy"), commands.add_parser("drift")
    for command in (smoke, released, destroyed, drifted):
        command.add_argument("--stack", default="breed-classifier", help="default %(default)s")
    drifted.add_argument("--out", type=Path, required=True, help="the page")
    drifted.add_argument("--forget", action="store_true", help="begin another baseline")
    drifted.add_argument("--day", type=_day, help="look at this one now, 2026-11-26")
    for command in (smoke, released):
        command.add_argument("--photo", type=Path, help="default: a drawn picture, no dog")
        command.add_argument("--breed", help="what the row of --photo must say")
    released.add_argument("--model-url", default="", help="s3://...; default: the stack's own")
    released.add_argument(
        "--first-model-url", default="", help="of a stack that is not there yet; else not used"
    )
    released.add_argument("--parameters", default="", help="of the template, NAME=VALUE ...")
    released.add_argument(
        "--watch", type=float, default=10, metavar="MINUTES", help="default %(default)s"
    )
    destroyed.add_argument("--data", choices=["", "delete"], default="")
    destroyed.add_argument("--confirm", default="", help="the stack's name, where nobody is asked")
    return parser


if __name__ == "__main__":
    sys.exit(main())
