"""One image of a request: its pixels for the network, or why there are none."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from photo_reader import PhotoError, read, read_light
from serving.preprocess import PreprocessSpec, pixels


class ImageError(Exception):
    """One image cannot be used, and sending it again will not help."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Slow:
    """An image that costs much: to be read by `decode_slow`, one at a time, elsewhere."""

    data: bytes


def decode(data: bytes, spec: PreprocessSpec, max_pixels: int) -> NDArray[np.uint8] | Slow:
    """An image's bytes -> uint8 (crop, crop, 3), unless it costs much.

    Raises ImageError with the photo reader's code and words; MemoryError, which is no judgement on
    the image.
    """
    try:
        photo = read_light(data, spec.least_px, max_pixels)
    except PhotoError as error:
        raise ImageError(error.code, error.message) from error
    return pixels(photo.picture, spec) if photo else Slow(data)


def decode_slow(
    slow: Slow, spec: PreprocessSpec, max_pixels: int, within_s: float
) -> NDArray[np.uint8]:
    """The same of an image that costs much, given up after so many seconds.

    Raises also TimeoutError, and OSError where the process that reads it cannot be started.
    """
    try:
        photo = read(slow.data, spec.least_px, max_pixels, within_s)
    except PhotoError as error:
        raise ImageError(error.code, error.message) from error
    return pixels(photo.picture, spec)
