"""From a photo's file to the picture that a backbone sees: serving's preprocessing, and views.

A view is a fixed variation of a photo, so that a frozen backbone's features of it can be kept:
    0         the photo as serving sees it
    1         the same, mirrored
    2, 3, ... a random square of the photo, mirrored or not
What is random about a view hangs on its number and the photo's name alone.
"""

import math
import os
import random
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photo_reader import PhotoError, read
from serving.preprocess import PreprocessSpec, pixels
from serving.settings import Settings, cpu_count
from training.errors import JobError

# Random squares cover this share of the largest one at least. Inception's training (Szegedy et al.
# 2015) goes down to 8 %, but that was a network to train from nothing.
LEAST_AREA = 0.5

# The first view that is a random square.
RANDOM_VIEWS = 2

# Broken photos are skipped, each by name, up to this share of a split; more means that something
# is wrong with the data set or its transfer, and the job ends.
SKIPPED_AT_MOST = 0.01


def picture(path: Path, spec: PreprocessSpec, view: int, name: str) -> NDArray[np.uint8]:
    """One photo -> uint8 (crop, crop, 3), as `serving.preprocess.pixels` gives it for view 0.

    Raises PhotoError for a file that serving would refuse as well, OSError for one that cannot be
    opened, and JobError where it is this machine that fails.
    """
    data = path.read_bytes()
    try:
        image = read(data, spec.least_px).picture
    except (MemoryError, OSError) as error:
        words = str(error) or type(error).__name__
        raise JobError(
            f"{name}: this machine could not read it ({words}); start the job again, with more "
            "memory or fewer CPUs if that repeats itself"
        ) from error
    if view == 0:
        return pixels(image, spec)
    if view == 1:
        return pixels(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), spec)
    return _random_square(image, spec, random.Random(f"{view} {name}"))


def _random_square(
    image: Image.Image, spec: PreprocessSpec, choose: random.Random
) -> NDArray[np.uint8]:
    short = min(image.size)
    side = max(1, round(short * math.sqrt(choose.uniform(LEAST_AREA, 1))))
    left, top = choose.randint(0, image.width - side), choose.randint(0, image.height - side)
    part = image.crop((left, top, left + side, top + side))
    if choose.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return pixels(part, replace(spec, resize=spec.crop))


@contextmanager
def threads(name: str) -> Iterator[ThreadPoolExecutor]:
    """A thread a CPU: Pillow and OpenVINO free Python's lock while they work."""
    pool = ThreadPoolExecutor(cpu_share(), name)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def portions(count: int) -> list[slice]:
    """What a thread takes of `count` items: as many at a time as share a pass when serving."""
    size = Settings.max_batch
    return [slice(at, at + size) for at in range(0, count, size)]


class Decoder:
    """Reads photos in threads, ahead of their use."""

    def __init__(self, spec: PreprocessSpec, pool: ThreadPoolExecutor) -> None:
        self._spec = spec
        self._pool = pool

    def batches(
        self, photos: Sequence[tuple[Path, int, str]], sizes: Sequence[int]
    ) -> Iterator[list[NDArray[np.uint8] | Exception]]:
        """(path, view, name) a photo -> batches of these sizes, in order.

        Raises nothing for a broken photo: what `picture` raised takes the picture's place.
        """
        waiting: deque[Future[NDArray[np.uint8] | Exception]] = deque()
        coming = iter(photos)
        for size in sizes:
            # Two batches more than this one: the network never waits, and memory stays small.
            for photo in islice(coming, max(0, 3 * size - len(waiting))):
                waiting.append(self._pool.submit(self._read, photo))
            yield [waiting.popleft().result() for _ in range(size)]

    def _read(self, photo: tuple[Path, int, str]) -> NDArray[np.uint8] | Exception:
        path, view, name = photo
        try:
            return picture(path, self._spec, view, name)
        except (PhotoError, OSError) as error:
            return error


def cpu_share() -> int:
    """This process's part of the CPUs, where several on this machine train together."""
    return max(1, cpu_count() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def check_skipped(split: str, total: int, errors: dict[str, str]) -> None:
    """Name the photos that could not be read; raises JobError when they are too many."""
    few = list(errors.items())[:10]
    listed = "\n".join(f"  {name}: {reason}" for name, reason in few)
    more = f"\n  and {len(errors) - len(few)} more" if len(errors) > len(few) else ""
    if len(errors) > SKIPPED_AT_MOST * total:
        raise JobError(
            f"{len(errors)} of {total} photos of {split} cannot be read, more than "
            f"{SKIPPED_AT_MOST:.0%}. `python -m training.data verify` lists them.\n{listed}{more}"
        )
    if errors:
        print(f"{split}: {len(errors)} of {total} photos cannot be read and are left out:")
        print(f"{listed}{more}", flush=True)
