"""One image of a request: its pixels for the network, or why there are none."""

import numpy as np
from numpy.typing import NDArray

from photo_reader import PhotoError, read
from serving.preprocess import PreprocessSpec, pixels


class ImageError(Exception):
    """One image cannot be used, and sending it again will not help."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def decode(data: bytes, spec: PreprocessSpec, max_pixels: int) -> NDArray[np.uint8]:
    """An image's bytes -> uint8 (crop, crop, 3).

    Raises ImageError with the photo reader's code and words; MemoryError and OSError (a time-out, a
    process that cannot be started), which are no judgement on the image.
    """
    try:
        photo = read(data, spec.least_px, max_pixels)
    except PhotoError as error:
        raise ImageError(error.code, error.message) from error
    return pixels(photo.picture, spec)
