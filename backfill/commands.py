"""What `make backfill` and `make reclassify` do, once it is known of what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from lister.job import PHOTOS, ROWS, Job
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backfill import changes, changes_page, estimate, follow, jobs, lane, rejected
from backfill.census import Census, count
from backfill.jobs import Run
from backfill.lane import Clients, Lane
from backfill.wanted import at_pace, in_window
from training.contest.page import MOST_PICTURES
from training.jobs.errors import CommandError, UsageError
from training.jobs.terminal import say

_FORMATS = 8


@dataclass(frozen=True)
class Context:
    """What every command needs. `out` is the folder of reports."""

    clients: Clients
    lane: Lane
    out: Path
    console: Console

    def machine(self) -> str | None:
        return lane.machine(self.clients, self.lane)


def run(context: Context, job: Job, rate: float | None, yes: bool) -> int:
    """Count, price, ask, deploy, start, follow, report."""
    states = context.clients("stepfunctions")
    # Before what takes long, and before the lister is deployed anew under a job that runs.
    jobs.refuse_a_second(states, context.machine())
    census = count(context.clients, context.lane, job, context.console)
    _show_census(census, job, context.console)
    _show_bill(context, census, job, rate)
    _check(context, job)
    if census.whole and not census.photos:
        say(context.console, "There is nothing to answer.")
        return 0
    _ask(yes)
    machine = lane.deploy(context.clients, context.lane)
    started = jobs.start(states, machine, replace(job, expected=census.seen))
    say(context.console, f"started {job.job}; Ctrl-C leaves it running, STATUS=1 shows it again")
    return _follow(context, machine, started)


def status(context: Context, name: str) -> int:
    """The table of a job; once it is done, its report."""
    found = jobs.required(context.clients("stepfunctions"), context.machine(), name)
    if _show(context, found):
        _report(context, found.job)
    return 1 if found.state == "failed" else 0


def stop(context: Context, name: str) -> int:
    states, machine = context.clients("stepfunctions"), context.machine()
    found = jobs.required(states, machine, name)
    if machine and found.state == "running":
        found = jobs.stop(states, machine, found)
    _show(context, found)
    return 0


def resume(context: Context, name: str, pace: float, window: str) -> int:
    """`pace` 0 and `window` "": as the job had them."""
    states, machine = context.clients("stepfunctions"), context.machine()
    found = jobs.required(states, machine, name)
    jobs.may_go_on(states, machine, found)
    job = at_pace(found.job, pace or found.job.pace)
    job = in_window(job, window or job.window)
    _check(context, job)
    machine = lane.deploy(context.clients, context.lane)
    return _follow(context, machine, jobs.resume(states, machine, replace(found, job=job)))


def _check(context: Context, job: Job) -> None:
    if job.kind == PHOTOS:
        lane.check_may_read(context.lane, job.bucket, job.prefix)


def _follow(context: Context, machine: str, started: Run) -> int:
    try:
        ended = follow.follow(context.clients, context.lane, machine, started, context.console)
    except KeyboardInterrupt:
        say(context.console, f"{started.job.job} goes on without this terminal: STATUS=1, STOP=1")
        return 0
    _show(context, ended)
    if ended.state == "failed":
        raise CommandError(f"{ended.job.job} failed: {ended.words}")
    if ended.state == "finished":
        _report(context, ended.job)
    return 0


def _show(context: Context, found: Run) -> bool:
    """Whether everything was sent, and is answered."""
    sqs = context.clients("sqs")
    waiting = follow.queue(sqs, context.lane.queue_url)
    dead = follow.queue(sqs, context.lane.dead_letter_queue_url)
    settled = follow.is_settled(context.clients, found)
    follow.show(found, waiting, dead, settled, context.console)
    return follow.is_done(found, waiting, settled)


def _show_census(census: Census, job: Job, console: Console) -> None:
    least = "" if census.whole else "at least "
    table = Table(show_header=False, title="What there is", title_justify="left")
    table.add_column(style="bold")
    table.add_column()
    table.add_row("objects" if job.kind == PHOTOS else "rows", f"{least}{census.seen:,}")
    known = "answered already" if job.kind == PHOTOS else "not wanted, or of this model"
    table.add_row(known, f"{census.answered:,}")
    table.add_row("to answer", f"{least}{census.photos:,}, {census.size_bytes / 1e9:,.2f} GB")
    formats = ", ".join(f"{name} {n:,}" for name, n in census.formats.most_common(_FORMATS))
    table.add_row("formats, by name", escape(formats) or "none")
    for bucket, rows in census.unreadable.most_common():
        table.add_row("left out", f"{rows:,} of s3://{bucket}, which the stack may not read")
    console.print(table)


def _show_bill(context: Context, census: Census, job: Job, rate: float | None) -> None:
    found = context.lane
    source = "RATE says so"
    if rate is None:
        now = datetime.now(UTC)
        rate = estimate.busiest_rate(context.clients("dynamodb"), found.table, now)
        source = (
            "the busiest hundred of this stack's newest rows"
            if rate
            else ("This stack has not a hundred rows to tell its rate from")
        )
    if job.pace and (rate is None or job.pace < rate):
        rate, source = job.pace, "PACE says so"
    load = estimate.Load(
        census.seen, census.photos, job.kind == ROWS, rate, found.concurrency, found.instance_type,
        job.pace,
    )  # fmt: skip
    table = Table("step", "how much", "USD", title="What it costs", title_justify="left")
    bill = list(estimate.steps(load))
    for step in bill:
        table.add_row(step.name, step.amount, f"{step.usd:,.4f}")
    least = "" if census.whole else "at least "
    usd = f"{least}{sum(step.usd for step in bill):,.4f}"
    table.add_row("all of it", f"{least}{_hours(load, found)}", usd)
    if window := job.hours:
        hours = load.seconds / 3600 if load.seconds is not None else None
        days = "days unknown" if hours is None else f"{hours / window.hours:,.1f} days"
        table.add_row(f"sent only {job.window}", days, "")
    context.console.print(table)
    for sentence in estimate.assumptions(load, source):
        say(context.console, f"- {sentence}")


def _hours(load: estimate.Load, found: Lane) -> str:
    """At the rate that all live functions had, and at the lane's share of it."""
    if load.seconds is None:
        return "hours unknown"
    share = min(1.0, found.concurrency / found.live_concurrency)
    slow = f", to {load.seconds / share / 3600:,.2f} if functions limit it" if share < 1 else ""
    return f"{load.seconds / 3600:,.2f} hours{slow}"


def _ask(yes: bool) -> None:
    if yes:
        return
    try:
        answer = input("Start? [y/N] ")
    except EOFError:
        raise UsageError("There is no terminal to ask at: YES=1 starts without.") from None
    if answer.strip().lower() not in ("y", "yes"):
        raise UsageError("Nothing was started.")


def _report(context: Context, job: Job) -> None:
    folder = context.out / job.job
    if job.kind == PHOTOS:
        count_rejected = rejected.report(
            context.clients, context.lane, job, folder, context.console
        )
        if not count_rejected:
            say(context.console, "None of its photos was rejected.")
        return
    with context.console.status("reading what changed"):
        found = changes.rows(context.clients("dynamodb"), context.lane.table, job)
        told = changes.collect(found, folder / "changes.csv", MOST_PICTURES)
        path = folder / "changes.html"
        path.write_text(changes_page.page(told, _pictures(context)), encoding="utf-8")
    say(context.console, f"{told.changed:,} of {told.answered:,} labels changed: {path}")


def _pictures(context: Context) -> Callable[[str], bytes | None]:
    s3: Any = context.clients("s3")

    def picture(key: str) -> bytes | None:
        try:
            content: bytes = s3.get_object(Bucket=context.lane.bucket, Key=key)["Body"].read()
        except ClientError:
            return None  # it is left out of the page: a row may have no picture
        return content

    return picture
