"""From image bytes to predictions: decode in a thread pool, then the batched forward pass."""

import asyncio
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from PIL import Image

from serving.batching import Batcher, Slots
from serving.images import ImageError, decode
from serving.model import Model, Prediction
from serving.preprocess import normalise, pixels
from serving.settings import Settings

Outcome = Prediction | ImageError
Source = Callable[[], bytes]


class Engine:
    """The model at work in one event loop. Images that fail to decode fail alone."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self.manifest = model.manifest
        self.slots = Slots(settings.max_in_flight)
        self._model = model
        self._max_pixels = settings.max_pixels
        self._decoders = ThreadPoolExecutor(settings.thread_count(), thread_name_prefix="decode")
        self._batcher: Batcher[torch.Tensor, Prediction] = Batcher(
            self._forward, settings.max_batch
        )

    async def warm_up(self) -> None:
        """Send a blank picture through, so that the first caller does not pay for lazy set-up."""
        blank = io.BytesIO()
        side = self.manifest.preprocess.resize
        Image.new("RGB", (side, side)).save(blank, "JPEG")
        await self.classify([blank.getvalue])

    async def classify(self, sources: Sequence[Source]) -> tuple[list[Outcome], int]:
        """Images (as functions giving their bytes) -> outcomes in order, and the batch's size."""
        loop = asyncio.get_running_loop()
        decoded = await asyncio.gather(
            *(loop.run_in_executor(self._decoders, self._decode, source) for source in sources)
        )
        good = [picture for picture in decoded if isinstance(picture, torch.Tensor)]
        predictions, batch_size = await self._batcher.submit(good) if good else ([], 0)
        remaining = iter(predictions)
        outcomes = [
            picture if isinstance(picture, ImageError) else next(remaining) for picture in decoded
        ]
        return outcomes, batch_size

    def close(self) -> None:
        """End the threads; what runs finishes."""
        self._decoders.shutdown(wait=True, cancel_futures=True)
        self._batcher.close()

    def _decode(self, source: Source) -> torch.Tensor | ImageError:
        spec = self.manifest.preprocess
        try:
            return pixels(decode(source(), self._max_pixels, spec.resize), spec)
        except ImageError as error:
            return error

    def _forward(self, pictures: list[torch.Tensor]) -> list[Prediction]:
        return self._model.predict(normalise(torch.stack(pictures), self.manifest.preprocess))
