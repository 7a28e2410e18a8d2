"""Reading a photo in this process: parse, decode, colour, white, turn."""

import math
import struct
from importlib import import_module

from PIL import Image

from photo_reader.colour import LIGHT_PROFILE_BYTES, to_srgb
from photo_reader.container import Container
from photo_reader.decoders import decode, draft_scale
from photo_reader.errors import PhotoError, Reason, corrupt
from photo_reader.formats import HEAD_BYTES, sniff
from photo_reader.photo import Photo
from photo_reader.pixels import on_white

# A one-pass JPEG is decoded in the caller's thread when no more than this is left after libjpeg
# has shrunk it: 64 MB of pixels.
_LIGHT_JPEG_PIXELS = 16_000_000

# The module that walks each format; imported at its first file.
_PARSERS = {
    "JPEG": "jpeg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tiff",
    "HEIF": "iso",
    "AVIF": "iso",
}

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def parsed(data: bytes, max_pixels: int) -> Container:
    """What the file says, before any decoder has seen it. Raises PhotoError."""
    kind = sniff(data[:HEAD_BYTES])
    try:
        container: Container = import_module(f"photo_reader.{_PARSERS[kind]}").parse(data)
    except (IndexError, struct.error) as error:  # a number that points beyond the end
        raise corrupt(f"{kind}: its structure is damaged") from error
    if min(container.size) < 1:
        width, height = container.size
        raise corrupt(f"{container.kind}: the header says {width} x {height} pixels")
    for width, height in (container.size, container.claimed):
        if width * height > max_pixels:
            words = f"{width} x {height} pixels; at most {max_pixels} are accepted"
            raise PhotoError(Reason.TOO_MANY_PIXELS, words)
    # Twice: an opacity of the same size, and tiles that reach beyond the edges.
    if container.decoded_pixels > 2 * max_pixels:
        raise PhotoError(
            Reason.TOO_MANY_PIXELS,
            f"{container.decoded_pixels} pixels in all; at most {2 * max_pixels} are accepted",
        )
    return container


def is_heavy(container: Container, least_px: int) -> bool:
    """Whether time and memory are bounded by more than a few million pixels."""
    if container.is_heavy or len(container.profile) > LIGHT_PROFILE_BYTES:
        return True
    if container.kind != "JPEG":
        return False
    scale = draft_scale(container.size, least_px)
    return math.prod(container.size) > _LIGHT_JPEG_PIXELS * scale**2


def read_here(container: Container, least_px: int) -> Photo:
    """Raises PhotoError, MemoryError."""
    small, (width, height) = decode(container, least_px)
    picture = on_white(to_srgb(small, container.profile))
    orientation = container.orientation
    if orientation >= 5:
        width, height = height, width
    if orientation in _TURNS:
        picture = picture.transpose(_TURNS[orientation])
    return Photo(picture, width, height)
