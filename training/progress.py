"""Progress of long work: a bar on a terminal, a plain line every tenth in a job's log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def progress(what: str, total: int, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Yields a function that is told how many of `total` photos were just finished."""
    if not shown:
        yield lambda _count: None
    elif sys.stdout.isatty():
        with Progress(console=Console()) as bar:
            task = bar.add_task(what, total=total)
            yield lambda count: bar.update(task, advance=count)
    else:
        yield _lines(what, total)


def _lines(what: str, total: int) -> Callable[[int], None]:
    started = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        tenths = 10 * done // total
        done += count
        if 10 * done // total > tenths:
            seconds = time.monotonic() - started
            print(f"{what}: {done} of {total} photos, {seconds:.0f} s", flush=True)

    return advance
