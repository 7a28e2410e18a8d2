"""From image bytes to predictions: each lane decodes its images and runs the network on them.

But for what costs much to decode: that is done beside the lanes, one image at a time, so that it
holds up no other image than its like, and takes the memory of one.
"""

import asyncio
import io
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from serving.admission import Admission
from serving.batching import Batcher
from serving.images import ImageError, Slow, decode, decode_slow
from serving.model import Model, Prediction
from serving.settings import Settings

Prepared = TypeVar("Prepared")

logger = logging.getLogger("serving")

Outcome = Prediction | ImageError
Source = Callable[[], bytes]
Pixels = NDArray[np.uint8]  # (crop, crop, 3)


class Engine:
    """The model at work in one event loop. Images that fail to decode fail alone."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self.manifest = model.manifest
        self._model = model
        self._settings = settings
        lanes = settings.thread_count()
        self._batcher: Batcher[Source | Pixels, Outcome | Slow] = Batcher(
            self._classify, lanes, settings.max_batch
        )
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self.admission = Admission(
            settings.max_in_flight, settings.request_limit(), lanes, self._batcher
        )

    async def warm_up(self) -> None:
        """Have every lane decode, and run every size of batch, so that no caller pays for a first.

        In the lanes' own threads: each has inference requests of its own.
        """
        await self._batcher.in_every_lane(self._warm_lane)

    def _warm_lane(self) -> None:
        blank = io.BytesIO()
        side = self.manifest.preprocess.resize
        Image.new("RGB", (side, side)).save(blank, "JPEG")
        self._classify([blank.getvalue], alone=True)
        self._model.warm_up(1, alone=True)
        for size in range(1, self._settings.max_batch + 1):
            self._model.warm_up(size)

    async def classify(self, sources: Sequence[Source], until: float) -> tuple[list[Outcome], int]:
        """Images (as functions giving their bytes) -> outcomes in order, and the largest batch.

        What costs much to decode is given up at `until` on the event loop's clock (TimeoutError),
        or, if it has not begun, when the caller is cancelled.
        """
        found, largest = await self._batcher.submit(sources)
        outcomes = [
            await self._classify_slow(one, until) if isinstance(one, Slow) else one for one in found
        ]
        return outcomes, largest

    async def _classify_slow(self, slow: Slow, until: float) -> Outcome:
        loop, spec = asyncio.get_running_loop(), self.manifest.preprocess

        def step() -> Pixels:
            return decode_slow(slow, spec, self._settings.max_pixels, until - loop.time())

        prepared = await loop.run_in_executor(self._beside, self._told, step)
        if isinstance(prepared, ImageError):
            return prepared
        (outcome,), _ = await self._batcher.submit([prepared], begun=True)
        return cast(Outcome, outcome)  # pixels are never slow

    def close(self) -> None:
        """End the threads; what runs finishes."""
        self._batcher.close()
        self._beside.shutdown(wait=True, cancel_futures=True)

    def _classify(self, items: Sequence[Source | Pixels], *, alone: bool) -> list[Outcome | Slow]:
        prepared = [self._prepare(item) for item in items]
        good = [picture for picture in prepared if isinstance(picture, np.ndarray)]
        predictions = iter(self._model.predict(np.stack(good), alone=alone) if good else ())
        return [next(predictions) if isinstance(one, np.ndarray) else one for one in prepared]

    def _prepare(self, item: Source | Pixels) -> Pixels | Slow | ImageError:
        if isinstance(item, np.ndarray):
            return item
        return self._told(
            lambda: decode(item(), self.manifest.preprocess, self._settings.max_pixels)
        )

    def _told(self, step: Callable[[], Prepared]) -> Prepared | ImageError:
        """What the step gives, or why this image has no pixels, whichever the fault."""
        try:
            return step()
        except ImageError as error:
            return error
        except (MemoryError, OSError):  # the machine's
            raise
        except Exception:
            # The others in this batch are not to blame, and sending it again would not help.
            logger.exception("a picture was decoded but cannot be prepared")
            return ImageError("CORRUPT", "the image cannot be prepared for the model")
