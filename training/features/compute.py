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
    parts = [Part(given, torch.stack([kept[at] for at in given]), {})] if given else []
    with (
        threads("features") as pool,
        _progress(f"features of {split}, view {view}", len(mine), shown=workers.first) as advance,
    ):
        work = partial(_part, frozen, data, split, view)
        for part, chunk in zip(pool.map(work, chunks), chunks, strict=True):
            parts.append(part)
            advance(len(chunk))
    return _merge(data, split, parts, workers)


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


def _merge(data: DataSet, split: Split, parts: Sequence[Part], workers: Workers) -> SplitFeatures:
    """All processes' parts in the order of the data set."""
    samples = data.splits[split]
    names = [data.names[sample.path] for sample in samples]
    mine = {position: reason for part in parts for position, reason in part.errors.items()}
    errors = {position: reason for one in workers.gather(mine) for position, reason in one.items()}
    check_skipped(split, len(names), {names[at]: errors[at] for at in sorted(errors)})
    kept = [at for at in range(len(samples)) if at not in errors]
    good = [part for part in parts if part.positions]
    width = max(workers.gather(good[0].rows.shape[1] if good else 0))
    row_of = torch.full((len(samples),), -1)
    row_of[kept] = torch.arange(len(kept))
    rows = torch.empty((len(kept), width))
    places = torch.tensor(
        [position for part in good for position in part.positions], dtype=torch.int64
    )
    found = torch.cat([part.rows for part in good]) if good else rows[:0]
    workers.fill(rows, row_of[places], found)
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
