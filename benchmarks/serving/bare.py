"""The limit of any server: the model called directly, with nothing around it."""

import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import numpy as np
from numpy.typing import NDArray

from photo_reader import read
from serving.model import Model
from serving.preprocess import PreprocessSpec, pixels
from serving.settings import Settings

BATCH = 10
SINGLES = 40


class Bare:
    """A model in this process, and photos for it."""

    def __init__(self, model: Model, photos: Sequence[bytes]) -> None:
        self._model = model
        self._photos = photos
        self._spec = model.manifest.preprocess
        self._pictures = np.stack([decoded(photo, self._spec) for photo in photos])
        self._threads = Settings().thread_count()

    def passes_of_ten(self, seconds: float) -> float:
        """Pictures a second: ready-made batches of ten, one pass at a time with all CPUs."""
        groups = itertools.cycle(self._groups(BATCH))
        return BATCH * rate(lambda: self._model.predict(next(groups), alone=True), seconds)

    def lanes(self, seconds: float) -> float:
        """Pictures a second: ready-made batches as serving makes them, a pass on each CPU."""
        groups = itertools.cycle(self._groups(Settings.max_batch))
        with ThreadPoolExecutor(self._threads) as pool:

            def one_each() -> None:
                # Ten a lane, so that their waiting for each other is small.
                work = [next(groups) for _ in range(10 * self._threads)]
                list(pool.map(self._model.predict, work))

            size = Settings.max_batch * 10 * self._threads
            return size * rate(one_each, seconds)

    def single_s(self) -> float:
        """Median seconds of decoding one photo and one forward pass with all CPUs."""
        times = []
        for photo in self._photos[:SINGLES]:
            started = time.perf_counter()
            self._model.predict(decoded(photo, self._spec)[None], alone=True)
            times.append(time.perf_counter() - started)
        return median(times)

    def _groups(self, size: int) -> list[NDArray[np.uint8]]:
        whole = len(self._pictures) // size * size
        return [self._pictures[at : at + size] for at in range(0, whole, size)]


def decoded(photo: bytes, spec: PreprocessSpec) -> NDArray[np.uint8]:
    """What the network gets of a photo: (crop, crop, 3)."""
    return pixels(read(photo, spec.least_px, Settings.max_pixels).picture, spec)


def rate(call: Callable[[], object], seconds: float) -> float:
    """Calls a second, over at least `seconds`; the first one only warms up."""
    call()
    started, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < seconds:
        call()
        count += 1
    return count / passed
