"""One view of one split through a frozen backbone, with every CPU busy.

The engine is the one that serves (serving/network.py), and as there each thread takes a few photos
at a time all the way, from the file to the features, and never waits for another.
"""

import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress

from photo_reader import PhotoError
from serving.network import Network
from serving.preprocess import PreprocessSpec
from training.data.dataset import DataSet
from training.data.folders import Split
from training.features.file import SplitFeatures
from training.features.photos import check_skipped, picture, portions, threads
from training.workers import Workers


@dataclass(frozen=True)
class Frozen:
    """A backbone that stays as it is, ready to run, and how it wants its pictures."""

    network: Network
    preprocess: PreprocessSpec


@dataclass(frozen=True)
class Part:
    """Some photos of a split: the positions of the good ones, their float32 (n, features), and the
    reason for each of the others by its position."""

    positions: Sequence[int]
    rows: torch.Tensor
    errors: Mapping[int, str]


class Found:
    """What this process has of a split.

    One tensor has room for all photos from the start. All the parts, and then a tensor of them,
    would be twice the memory.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.rows = torch.empty((0, 0))  # (total, features) from the first good photo on
        self.positions: list[int] = []
        self.errors: dict[int, str] = {}

    def add(self, part: Part) -> None:
        """Put the photos of a part in their places."""
        self.errors |= part.errors
        if part.positions:
            self.make_room(part.rows.shape[1])
            self.rows[list(part.positions)] = part.rows
            self.positions += part.positions

    def make_room(self, width: int) -> None:
        """For features of this width, where there is none yet."""
        if not len(self.rows):
            self.rows = torch.empty((self.total, width))


def run_pass(
    frozen: Frozen,
    data: DataSet,
    split: Split,
    view: int,
    workers: Workers,
    kept: Mapping[int, torch.Tensor] = MappingProxyType({}),
) -> SplitFeatures:
    """float32 features of one view, (1, n, features), each process computing its share.

    `kept`: float32 (features,) of photos that need not be computed, by their position. Processes
    on several hosts may have kept different ones: what one of them has is computed by none.
    Raises JobError when too many photos cannot be read.
    """
    owner = owners(len(data.splits[split]), kept, workers)
    mine = workers.share((owner == workers.count).nonzero().flatten().tolist())
    chunks = [mine[part] for part in portions(len(mine))]
    given = (owner == workers.rank).nonzero().flatten().tolist()
    found = Found(len(owner))
    for part in portions(len(given)):
        found.add(Part(given[part], torch.stack([kept[at] for at in given[part]]), {}))
    with (
        threads("features") as pool,
        _progress(f"features of {split}, view {view}", len(mine), shown=workers.first) as advance,
    ):
        work = partial(_part, frozen, data, split, view)
        for made, chunk in zip(pool.map(work, chunks), chunks, strict=True):
            found.add(made)
            advance(len(chunk))
    return _merge(data, split, found, workers)


def owners(total: int, kept: Collection[int], workers: Workers) -> torch.Tensor:
    """int64 (total,): for each photo the first process that kept it; workers.count for none."""
    owner = torch.full((total,), workers.count)
    owner[list(kept)] = workers.rank
    return workers.least(owner)


def _part(frozen: Frozen, data: DataSet, split: Split, view: int, chunk: Sequence[int]) -> Part:
    good, errors = {}, {}
    for position in chunk:
        path = data.splits[split][position].path
        try:
            good[position] = picture(path, frozen.preprocess, view, data.names[path])
        except (PhotoError, OSError) as error:
            errors[position] = str(error)
    if not good:
        return Part([], torch.empty(0), errors)
    (features,) = frozen.network(np.stack(list(good.values())))
    return Part(list(good), torch.from_numpy(features), errors)


def _merge(data: DataSet, split: Split, found: Found, workers: Workers) -> SplitFeatures:
    """What all processes found, in the order of the data set."""
    samples = data.splits[split]
    names = [data.names[sample.path] for sample in samples]
    errors = {at: reason for one in workers.gather(found.errors) for at, reason in one.items()}
    check_skipped(split, len(names), {names[at]: errors[at] for at in sorted(errors)})
    kept = [at for at in range(len(samples)) if at not in errors]
    found.make_room(max(workers.gather(found.rows.shape[1])))
    workers.fill(found.rows, torch.tensor(found.positions, dtype=torch.int64))
    rows = found.rows[kept] if errors else found.rows
    return SplitFeatures(
        rows.unsqueeze(0),
        torch.tensor([samples[position].class_index for position in kept]),
        tuple(names[position] for position in kept),
        {names[at]: errors[at] for at in sorted(errors)},
        tuple(data.digests[names[position]] for position in kept),
    )


@contextmanager
def _progress(what: str, total: int, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Yields a function that takes how many of `total` photos were just finished.

    It draws a bar on a terminal, and prints a line every tenth in a job's log.
    """
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
