"""JPEGs whose end is missing: decoded as far as they go, accepted when nearly whole."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from PIL import Image

from photo_reader.errors import PhotoError, Reason

# A cut-off JPEG counts as a photo when at least this share of its rows is there.
LEAST_ROWS = 0.9
# Rows of the smallest block that a decoder fills or leaves grey.
_BLOCK_ROWS = 8


class CutFile:
    """A file in pieces that, where its bytes end too early, goes on with end-of-image markers.

    libjpeg then fills what is missing with mid grey, as it does for a cut-off file on disk.
    Pillow's own switch for this is global to the process and would make cut-off files of other
    formats look whole. In pieces, because they are views: the photo is not copied.
    """

    # 64 KiB skips over any marker segment that the cut went through; more would be a loop.
    _PADDING = b"\xff\xd9" * 32768
    _MAX_PADDINGS = 4

    def __init__(self, pieces: Sequence[bytes | memoryview]) -> None:
        self._pieces = pieces
        self._ends = list(accumulate(map(len, pieces)))
        self._at = 0
        self._paddings_left = 0
        self.was_cut = False

    def __len__(self) -> int:
        return self._ends[-1]

    def pad_with_end_markers(self) -> None:
        self._paddings_left = self._MAX_PADDINGS

    def tell(self) -> int:
        return self._at

    def seek(self, position: int) -> int:
        """Only from the beginning, which is all that Pillow needs here."""
        self._at = position
        return position

    def read(self, size: int) -> bytes:
        if self._at < len(self):
            return self._block(size)
        if not self._paddings_left:
            return b""
        self._paddings_left -= 1
        self.was_cut = True
        return self._PADDING

    def _block(self, size: int) -> bytes:
        """`size` bytes, of as many pieces as it takes; fewer at the end of the file."""
        stop = min(self._at + size, len(self))
        parts = []
        number = bisect_right(self._ends, self._at)
        while self._at < stop:
            begin = self._ends[number] - len(self._pieces[number])
            end = min(stop, self._ends[number])
            parts.append(self._pieces[number][self._at - begin : end - begin])
            self._at = end
            number += 1
        return b"".join(parts)


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
