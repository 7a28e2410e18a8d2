"""Bytes -> decoded Pillow image, refusing what is not a picture before it costs anything."""

import io
from typing import cast

# The plugins are imported by name: Pillow would otherwise look for them at the first odd file.
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

# An allow-list: Pillow opens many more formats, some through parsers that few people look after.
# The JPEG plugin also takes MPO, which is what many phones and cameras call .jpg.
FORMATS = (
    JpegImagePlugin.JpegImageFile.format,
    PngImagePlugin.PngImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    GifImagePlugin.GifImageFile.format,
    BmpImagePlugin.BmpImageFile.format,
    TiffImagePlugin.TiffImageFile.format,
)

# Pictures that people do send and that are not in the list, told apart by their first bytes so
# that the answer can say "this format is not supported" rather than "this is no picture".
_OTHER_PICTURES = (
    (4, b"ftyphei"), (4, b"ftyphev"), (4, b"ftypmif1"), (4, b"ftypmsf1"), (4, b"ftypavi"),
    (0, b"\x00\x00\x00\x0cJXL "), (0, b"\xff\x0a"), (0, b"\x00\x00\x00\x0cjP  "),
    (0, b"8BPS"), (0, b"<svg"), (0, b"%!PS"), (0, b"\x00\x00\x01\x00"),
)  # fmt: skip


class ImageError(Exception):
    """One image cannot be used, and sending it again will not help."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def decode(data: bytes, max_pixels: int, short_side: int) -> Image.Image:
    """Decode the first frame of `data`.

    A JPEG much larger than needed is decoded at 1/2, 1/4 or 1/8 of its size, never below twice
    `short_side`, so that the resize that follows still has enough to average over.

    Raises ImageError: EMPTY, NOT_AN_IMAGE, UNSUPPORTED_FORMAT, TOO_MANY_PIXELS, CORRUPT; and
    MemoryError, which is no judgement on the image.
    """
    if not data:
        raise ImageError("EMPTY", "the image holds no bytes")
    image = _open(data)
    count = image.width * image.height
    if count > max_pixels:
        size = f"{image.width} x {image.height} = {count} pixels"
        raise ImageError("TOO_MANY_PIXELS", f"{size}, more than the limit of {max_pixels}")
    try:
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            image.draft(cast(str, None), (2 * short_side, 2 * short_side))
        image.load()
    except MemoryError:  # the machine's, not the photo's: it may pass
        raise
    except Exception as error:  # a broken file makes Pillow's plugins raise almost anything
        raise ImageError("CORRUPT", f"the image cannot be decoded: {error}") from error
    return image


def _open(data: bytes) -> Image.Image:
    """Read the header only."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        if any(data[at:].startswith(mark) for at, mark in _OTHER_PICTURES):
            known = ", ".join(FORMATS)
            raise ImageError("UNSUPPORTED_FORMAT", f"the format is not one of {known}") from error
        raise ImageError("NOT_AN_IMAGE", "the bytes are not a picture") from error
    except Image.DecompressionBombError as error:
        raise ImageError("TOO_MANY_PIXELS", str(error)) from error
    except MemoryError:
        raise
    except Exception as error:  # as above: headers are parsed by the same plugins
        raise ImageError("CORRUPT", f"the image's header cannot be read: {error}") from error
