"""A job to look at: a table of how it stands, and a bar until its last photo has a row."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from backfill import jobs
from backfill.jobs import Run
from backfill.lane import Clients, Lane
from training.jobs.local_cloud import is_local

POLL_S = 2.0
# SQS's counts "may not achieve consistency until at least 1 minute after the producers stop sending
# messages" (Amazon SQS API Reference, GetQueueAttributes). The local cloud's are exact.
SETTLED_AFTER = timedelta(seconds=75)


@dataclass(frozen=True)
class Queue:
    """Messages of a queue: those that wait for their turn, are worked on, or wait to be tried again
    (SQS counts the latter two as one).
    """

    waiting: int
    in_flight: int

    @property
    def all(self) -> int:
        return self.waiting + self.in_flight


def queue(sqs: Any, url: str) -> Queue:
    """About, as SQS counts."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return Queue(*(int(told[name]) for name in names))


def is_settled(clients: Clients, run: Run) -> bool:
    """Whether the queue's count is to be believed since the job has sent its last message."""
    if run.ended is None or not run.job.counts.sent or is_local(clients("sqs")):
        return True
    return datetime.now(UTC) - run.ended > SETTLED_AFTER


def is_done(run: Run, waiting: Queue, settled: bool) -> bool:
    """Everything was sent, and is answered."""
    return run.state == "finished" and settled and not waiting.all


def words(run: Run, waiting: Queue, now: datetime, settled: bool = True) -> str:
    """What the job does, in a sentence."""
    job = run.job
    if run.state == "failed":
        return f"failed: {run.words}. RESUME=1 goes on once that is mended."
    if run.state == "stopped":
        left = f"; {waiting.all:,} that were sent are still answered" if waiting.all else ""
        return f"stopped{left}. RESUME=1 goes on."
    if run.state == "finished":
        if waiting.all:
            return f"all sent, {waiting.all:,} not answered yet"
        return "done" if settled else "all sent; in a minute the queue's count is certain"
    if job.waits_for == "window":
        opening = now + timedelta(seconds=job.hours.wait_s(now) if job.hours else 0)
        return f"waits for its window, {job.window}: in {_span(opening - now)}"
    if job.waits_for == "pace":
        return f"sends {job.pace:g} photos a second"
    if job.waits_for == "queue":
        return "sends as fast as photos are answered"
    return "lists and sends"


def show(run: Run, waiting: Queue, dead: Queue, settled: bool, console: Console) -> None:
    """The table of STATUS=1."""
    job, counts = run.job, run.job.counts
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column()
    things = "objects" if job.kind == "photos" else "rows"
    place = f"s3://{job.bucket}/{job.prefix}" if job.kind == "photos" else "rows of older models"
    table.add_row("job", f"{job.job}, part {job.part}")
    table.add_row("of", escape(place))
    table.add_row("state", escape(words(run, waiting, datetime.now(UTC), settled)))
    expected = f" of {job.expected:,}" if job.expected else ""
    table.add_row(f"{things} seen", f"{counts.seen:,}{expected}")
    table.add_row("need no answer", f"{counts.known:,}")
    if counts.unreadable:
        left_out = f"{counts.unreadable:,}, in buckets that the stack may not read"
        table.add_row("left out", left_out)
    table.add_row("sent", f"{counts.sent:,}")
    table.add_row("in the queue", f"{waiting.waiting:,}, and {waiting.in_flight:,} worked on")
    if dead.all:
        table.add_row(
            "dead letters",
            f"{dead.all:,} (live uploads' among them): docs/operate.md, dead-letters",
        )
    console.print(table)


def follow(clients: Clients, lane: Lane, machine: str, run: Run, console: Console) -> Run:
    """Until everything that was sent is answered, or the job has stopped or failed."""
    states, sqs = clients("stepfunctions"), clients("sqs")
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("starting", total=run.job.expected or None)
        while True:
            # A job of a moment ago may not be listed yet.
            run = jobs.find(states, machine, run.job.job) or run
            waiting, settled = queue(sqs, lane.queue_url), is_settled(clients, run)
            counts = run.job.counts
            # SQS counts about; a bar does not go back.
            answered = counts.known + counts.unreadable + max(0, counts.sent - waiting.all)
            progress.update(
                task,
                completed=max(progress.tasks[task].completed, answered),
                total=max(run.job.expected, counts.seen) or None,
                description=words(run, waiting, datetime.now(UTC), settled),
            )
            if run.state in ("stopped", "failed") or is_done(run, waiting, settled):
                return run
            time.sleep(POLL_S)


def _span(time_left: timedelta) -> str:
    minutes = round(time_left / timedelta(minutes=1))
    return f"{minutes // 60} h {minutes % 60:02} min"
