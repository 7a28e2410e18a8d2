"""From decoded pixels of any kind to a small copy with 8 bits a sample.

In bands of rows, so that a large picture is never there twice.
"""

import math
import sys
from array import array
from collections.abc import Callable
from functools import partial
from itertools import accumulate

from PIL import Image, ImageChops

from photo_reader.errors import corrupt

# A strip longer than this many times its short side is cut to its middle.
MAX_ASPECT = 16
_BAND_PIXELS = 1 << 20

_Plain = Callable[[Image.Image], Image.Image]


def reduced(
    image: Image.Image, least_px: int, layout: str = "", transparent: int | None = None
) -> Image.Image:
    """L, RGB, RGBA, CMYK or LAB, reduced by a whole factor to at least twice `least_px`."""
    width, height = image.size
    short = min(width, height)
    across, down = min(width, MAX_ASPECT * short), min(height, MAX_ASPECT * short)
    left, top = (width - across) // 2, (height - down) // 2
    factor = max(1, short // (2 * least_px))
    plain = _plain(image, layout, transparent)
    if plain is _as_it_is and factor == 1 and (across, down) == image.size:
        return image
    # With opacity, Pillow's reduce would make a copy of the whole.
    if plain is _as_it_is and image.mode != "RGBA":
        return image.reduce(factor, (left, top, left + across, top + down))
    rows = max(1, _BAND_PIXELS // across // factor) * factor
    pieces = []
    for row in range(top, top + down, rows):
        band = image.crop((left, row, left + across, min(row + rows, top + down)))
        pieces.append(plain(band).reduce(factor))
    if len(pieces) == 1:
        return pieces[0]
    small = Image.new(pieces[0].mode, (pieces[0].width, sum(piece.height for piece in pieces)))
    at = 0
    for piece in pieces:
        small.paste(piece, (0, at))
        at += piece.height
    return small


def _plain(image: Image.Image, layout: str, transparent: int | None) -> _Plain:
    """What makes 8-bit samples of a band of this picture."""
    if layout == "L":
        return lambda band: band.getchannel("L")
    if layout == "La":
        return lambda band: Image.merge("La", band.split()).convert("LA").convert("RGBA")
    if layout == "YCbCr":
        return lambda band: Image.merge("YCbCr", band.split()).convert("RGB")
    if image.mode.startswith("I;16"):
        return partial(_sixteen_bits, is_inverted="inverted" in layout, transparent=transparent)
    if image.mode == "I" and layout.startswith("unsigned") and not _are_16_bits(image):
        return partial(_top_bytes, is_inverted="inverted" in layout)
    if image.mode in ("I", "F"):
        return partial(_linear, scale=_scale(image, layout))
    if image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return lambda band: band.convert("RGBA")
    if image.mode in ("L", "RGB", "RGBA", "CMYK", "LAB"):
        return _as_it_is
    return lambda band: band.convert("RGB")


def _as_it_is(band: Image.Image) -> Image.Image:
    return band


def _sixteen_bits(
    band: Image.Image, is_inverted: bool = False, transparent: int | None = None
) -> Image.Image:
    """The high bytes, as a grey picture; not Pillow's conversion, which clips at 255."""
    data = band.tobytes()
    halves = data[0::2], data[1::2]
    high, low = halves if band.mode.endswith("B") else halves[::-1]
    grey = Image.frombytes("L", band.size, high)
    if is_inverted:
        grey = ImageChops.invert(grey)
    if transparent is None:
        return grey
    # Opaque is what differs from the transparent value in one byte or the other.
    other_high = grey.point([255 * (value != transparent >> 8) for value in range(256)])
    other_low = Image.frombytes("L", band.size, low).point(
        [255 * (value != transparent & 255) for value in range(256)]
    )
    opaque = ImageChops.lighter(other_high, other_low)
    return Image.merge("LA", (grey, opaque)).convert("RGBA")


def _are_16_bits(image: Image.Image) -> bool:
    low, high = image.getextrema()
    return low >= 0 and high <= 0xFFFF  # type: ignore[operator]


def _top_bytes(band: Image.Image, is_inverted: bool) -> Image.Image:
    """Of unsigned values of 32 bits, which Pillow takes for signed ones."""
    top = band.tobytes()[3 if sys.byteorder == "little" else 0 :: 4]
    grey = Image.frombytes("L", band.size, top)
    return ImageChops.invert(grey) if is_inverted else grey


def _scale(image: Image.Image, layout: str) -> tuple[float, float]:
    """Factor and offset that bring values of 32 bits to 0..255."""
    if layout.startswith("signed"):
        factor, offset = 1 / 257, 32768 / 257
    else:
        low, high = image.getextrema()
        if not (math.isfinite(low) and math.isfinite(high)):  # type: ignore[arg-type]
            raise corrupt(f"{image.format}: some pixel values are not finite numbers")
        factor, offset = 255 / _white_level(float(high)), 0.0  # type: ignore[arg-type]
    return (-factor, 255 - offset) if "inverted" in layout else (factor, offset)


def _white_level(high: float) -> float:
    """What stands for white in a picture of wide pixels, going by its brightest one."""
    return next((level for level in (1.0, 255.0, 65535.0) if high <= level), max(high, 1.0))


def _linear(band: Image.Image, scale: tuple[float, float]) -> Image.Image:
    factor, offset = scale
    return band.point(lambda value: value * factor + offset).convert("L")


def grey_and_alpha(image: Image.Image, layout: str) -> Image.Image:
    """16-bit grey with opacity, decoded as four bytes a pixel -> LA.

    `layout` ends in the byte order (I or M) and TIFF's predictor: with 2, each value is the
    difference to the one before it (section 14).
    """
    is_little, predictor = layout[4] == "I", layout[5:]
    if predictor != "2":
        return Image.merge(
            "LA", [image.getchannel(index) for index in ((1, 3) if is_little else (0, 2))]
        )
    rows = []
    data, row_bytes = image.tobytes(), 4 * image.width
    for start in range(0, len(data), row_bytes):
        row = array("H", data[start : start + row_bytes])
        if is_little != (sys.byteorder == "little"):
            row.byteswap()
        high = bytearray(2 * image.width)
        for channel in (0, 1):
            sums = array("Q", accumulate(row[channel::2])).tobytes()
            high[channel::2] = sums[1::8] if sys.byteorder == "little" else sums[6::8]
        rows.append(bytes(high))
    return Image.frombytes("LA", image.size, b"".join(rows))


def on_white(image: Image.Image) -> Image.Image:
    """RGB or RGBA -> RGB."""
    if image.mode != "RGBA":
        return image
    page = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(page, image).convert("RGB")


def merged(mode: str, planes: list[Image.Image]) -> Image.Image:
    """The planes of a picture, of which some may be smaller, in one."""
    size = planes[0].size
    whole = [plane if plane.size == size else plane.resize(size) for plane in planes]
    if mode == "LAB":
        # TIFF's a* and b* are signed, Pillow's begin at -128.
        whole[1:] = [plane.point([value ^ 128 for value in range(256)]) for plane in whole[1:]]
    picture = Image.merge(mode, whole)
    if mode == "La":
        picture = picture.convert("LA")
    return (
        picture if mode in ("RGB", "RGBA", "CMYK", "LAB") else picture.convert(_PLAIN_MODES[mode])
    )


_PLAIN_MODES = {"YCbCr": "RGB", "LA": "RGBA", "La": "RGBA", "RGBa": "RGBA"}
