"""The dry run: what there is to answer, counted with the lister's own eyes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from lister.core import Page
from lister.errors import AgainError, RefusedError
from lister.job import PHOTOS, Job
from lister.photos import read_page as read_photos
from lister.rows import read_page as read_rows
from lister.settings import MAX_PAGE
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from backfill.lane import Clients, Lane
from training.jobs.errors import CommandError, UsageError


@dataclass
class Census:
    """`seen` objects or rows, of which `photos` want an answer. `whole`: nobody cut it short."""

    seen: int = 0
    photos: int = 0
    size_bytes: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    whole: bool = True
    # Rows of other buckets, which are not answered again.
    unreadable: Counter[str] = field(default_factory=Counter)

    def add(self, page: Page) -> None:
        self.seen += page.seen
        self.photos += len(page.photos)
        self.unreadable.update(page.unreadable)
        for photo in page.photos:
            self.size_bytes += photo.size
            self.formats[PurePosixPath(photo.key).suffix.lower() or "none"] += 1

    @property
    def answered(self) -> int:
        return self.seen - self.photos - self.unreadable.total()


def count(clients: Clients, lane: Lane, job: Job, console: Console) -> Census:
    """Reads as the job will. Ctrl-C ends it early, with what was counted by then.

    Raises UsageError, CommandError in words for who may not look.
    """
    read, census = _reader(clients, lane), Census()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("counting (Ctrl-C: enough)", total=None)
        try:
            while True:
                page = _read(read, job)
                census.add(page)
                progress.update(
                    task,
                    description=f"{census.seen:,} seen, {census.photos:,} to answer "
                    "(Ctrl-C: enough)",
                )
                if page.place is None:
                    return census
                job = replace(job, place=page.place)
        except KeyboardInterrupt:
            census.whole = False
            return census


def _reader(clients: Clients, lane: Lane) -> Callable[[Job], Page]:
    dynamodb: Any = clients("dynamodb")
    s3: Any = clients("s3")

    def read(job: Job) -> Page:
        if job.kind == PHOTOS:
            return read_photos(s3, dynamodb, lane.table, lane.bucket, MAX_PAGE, job)
        return read_rows(dynamodb, lane.table, lane.bucket, lane.source, MAX_PAGE, job)

    return read


def _read(read: Callable[[Job], Page], job: Job) -> Page:
    try:
        return read(job)
    except RefusedError as error:
        raise UsageError(f"You may not count it: {error}") from error
    except AgainError as error:
        raise CommandError(f"Counting failed: {error}") from error
