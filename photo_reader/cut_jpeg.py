"""JPEGs whose end is missing: decoded as far as they go, accepted when nearly whole."""

import io
import math

from PIL import Image

from photo_reader.errors import PhotoError, Reason

# A cut-off JPEG counts as a photo when at least this share of its rows is there.
LEAST_ROWS = 0.9
# Rows of the smallest block that a decoder fills or leaves grey.
_BLOCK_ROWS = 8


class CutFile(io.BytesIO):
    """A file that, where its bytes end too early, goes on with JPEG end-of-image markers.

    libjpeg then fills what is missing with mid grey, as it does for a cut-off file on disk.
    Pillow's own switch for this is global to the process and would make cut-off files of other
    formats look whole.
    """

    # 64 KiB skips over any marker segment that the cut went through; more would be a loop.
    _PADDING = b"\xff\xd9" * 32768
    _MAX_PADDINGS = 4

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._paddings_left = 0
        self.was_cut = False

    def pad_with_end_markers(self) -> None:
        self._paddings_left = self._MAX_PADDINGS

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        if block or not self._paddings_left:
            return block
        self._paddings_left -= 1
        self.was_cut = True
        return self._PADDING


def check_rows(image: Image.Image, scale: int, rows: int) -> None:
    """Raises PhotoError when the grey that libjpeg fills in covers too many rows at the end.

    `image` is the original, `rows` high, at 1/`scale`. The answer is the same at every scale.
    """
    width, height = image.size

    def is_grey_from(row: int) -> bool:
        extrema = image.crop((0, row, width, height)).getextrema()
        bands = extrema if isinstance(extrema[0], tuple) else (extrema,)
        return all(low >= 126 and high <= 130 for low, high in bands)

    # The first grey row lies in first..last; "all grey from here on" is monotone.
    first, last = 0, height
    while first < last:
        middle = (first + last) // 2
        first, last = (first, middle) if is_grey_from(middle) else (middle + 1, last)
    there = min(rows, _BLOCK_ROWS * round(first * scale / _BLOCK_ROWS))
    if there < LEAST_ROWS * rows:
        share = math.floor(100 * there / rows)
        raise PhotoError(Reason.TRUNCATED, f"the file is cut off: {share} % of the rows are there")
