"""From image bytes to predictions: each lane decodes its images and runs the network on them."""

import io
import logging
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from serving.admission import Admission
from serving.batching import Batcher
from serving.images import ImageError, decode
from serving.model import Model, Prediction
from serving.settings import Settings

logger = logging.getLogger("serving")

Outcome = Prediction | ImageError
Source = Callable[[], bytes]


class Engine:
    """The model at work in one event loop. Images that fail to decode fail alone."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self.manifest = model.manifest
        self._model = model
        self._settings = settings
        lanes = settings.thread_count()
        self._batcher: Batcher[Source, Outcome] = Batcher(self._classify, lanes, settings.max_batch)
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

    async def classify(self, sources: Sequence[Source]) -> tuple[list[Outcome], int]:
        """Images (as functions giving their bytes) -> outcomes in order, and the largest batch."""
        return await self._batcher.submit(sources)

    def close(self) -> None:
        """End the threads; what runs finishes."""
        self._batcher.close()

    def _classify(self, sources: Sequence[Source], *, alone: bool) -> list[Outcome]:
        pictures = [self._decode(source) for source in sources]
        good = [picture for picture in pictures if not isinstance(picture, ImageError)]
        predictions = iter(self._model.predict(np.stack(good), alone=alone) if good else ())
        return [
            picture if isinstance(picture, ImageError) else next(predictions)
            for picture in pictures
        ]

    def _decode(self, source: Source) -> NDArray[np.uint8] | ImageError:
        try:
            return decode(source(), self.manifest.preprocess, self._settings.max_pixels)
        except ImageError as error:
            return error
        except (MemoryError, OSError):  # the machine's
            raise
        except Exception:
            # The others in this batch are not to blame, and sending it again would not help.
            logger.exception("a picture was decoded but cannot be prepared")
            return ImageError("CORRUPT", "the image cannot be prepared for the model")
