"""From the bytes of a photo to an upright RGB picture.

Bounds are checked on the header, before a pixel is decoded. At most one large picture is decoded at
a time, whatever the number of threads, so that memory is bounded by one of them.
"""

import io
import math
import struct
import threading
import warnings
import zlib
from contextlib import ExitStack
from dataclasses import dataclass

from PIL import ExifTags, Image, JpegImagePlugin

from photo_reader.cut_jpeg import CutFile, check_rows
from photo_reader.errors import PhotoError, Reason
from photo_reader.formats import HEAD_BYTES, sniff
from photo_reader.memory import return_large_blocks

MAX_PIXELS = 50_000_000
# A strip longer than this many times its short side is cut to its middle.
MAX_ASPECT = 16
# No complete JPEG packs more: each 8 x 8 block takes at least one bit, so a smaller file is cut off
# even where it ends as it should.
PIXELS_A_BYTE = 8 * 64
# Above this many pixels a picture is decoded alone: 4 million are 16 MB of RGBA.
HEAVY_PIXELS = 4_000_000
# WebP's decoder allocates its canvases when it is opened; HEIF and AVIF say one size in the
# container, and the stream inside may hold another.
BIG_WHEN_OPENED = ("WEBP", "HEIF", "AVIF")
# A one-pass JPEG is decoded at 1/2 to 1/8 of its size and needs little memory until it is very
# large.
HEAVY_JPEG_PIXELS = 25_000_000
# Cameras write about ten; each one costs a pass over the whole picture, a thousand take minutes.
MAX_JPEG_SCANS = 100

# Reentrant: a large WebP asks for it twice.
_heavy_decode = threading.RLock()

# What Pillow, pi_heif and the libraries below them raise for bad files; none of it is retried.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

return_large_blocks()
# Pillow warns at half of the limit, which says nothing here.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
# A file that lies about its metadata is not news.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class Photo:
    """`picture` is upright RGB; width and height are those of the original, upright, in pixels."""

    picture: Image.Image
    width: int
    height: int


def read(data: bytes, least_px: int, max_pixels: int = MAX_PIXELS) -> Photo:
    """The short side of the picture is at least that of the original or `least_px`.

    Raises PhotoError when the bytes are not an acceptable photo.
    """
    kind = sniff(data[:HEAD_BYTES])
    # Pillow's own check looks where only decoders can (GIF frames); it raises at twice this number,
    # and is set to agree with the check here.
    Image.MAX_IMAGE_PIXELS = (max_pixels + 1) // 2
    decode = _decode_jpeg if kind == "JPEG" else _decode
    try:
        # What a decoder held is freed when decode() returns, before the next one gets its turn.
        with ExitStack() as turn:
            if kind in BIG_WHEN_OPENED:
                turn.enter_context(_heavy_decode)
            decoded = decode(data, kind, max_pixels, least_px, turn)
        return _finish(decoded)
    except Image.DecompressionBombError as error:
        raise PhotoError(Reason.TOO_MANY_PIXELS, f"more than {max_pixels} pixels") from error
    except _DECODER_ERRORS as error:
        cut = isinstance(error, EOFError) or "truncated" in str(error).lower()
        reason = Reason.TRUNCATED if cut else Reason.CORRUPT
        words = str(error) or type(error).__name__
        raise PhotoError(reason, f"{kind} could not be decoded: {words}") from error


@dataclass(frozen=True)
class _Decoded:
    """A small RGB picture, not turned yet, and what the original says about itself."""

    small: Image.Image
    declared: tuple[int, int]
    orientation: int


def _decode(data: bytes, kind: str, max_pixels: int, least_px: int, turn: ExitStack) -> _Decoded:
    with _open_heif(data, max_pixels) if kind == "HEIF" else _open(data, kind, max_pixels) as image:
        declared = image.size
        if _pixels(declared) > HEAVY_PIXELS:
            turn.enter_context(_heavy_decode)
        image.load()
        return _Decoded(_flatten(_scale(_plain(image), least_px)), declared, _orientation(image))


def _decode_jpeg(
    data: bytes, kind: str, max_pixels: int, least_px: int, turn: ExitStack
) -> _Decoded:
    file = CutFile(data)
    # Not Image.open: for a multi-picture file (MPO) it would also parse the list of the others.
    with JpegImagePlugin.JpegImageFile(file) as image:
        declared = image.size
        _check_pixels(declared, max_pixels)
        progressive = "progressive" in image.info
        if progressive and data.count(b"\xff\xda") > MAX_JPEG_SCANS:
            raise PhotoError(Reason.CORRUPT, f"a progressive {kind} of over {MAX_JPEG_SCANS} scans")
        if _pixels(declared) > (HEAVY_PIXELS if progressive else HEAVY_JPEG_PIXELS):
            turn.enter_context(_heavy_decode)
        # libjpeg halves, quarters or eighths while it decodes, which is most of what is saved here.
        ratio = least_px / min(declared)
        if ratio < 1:
            image.draft(None, (math.ceil(declared[0] * ratio), math.ceil(declared[1] * ratio)))
        file.pad_with_end_markers()
        image.load()
        if file.was_cut or len(data) < _pixels(declared) // PIXELS_A_BYTE:
            check_rows(image)
        return _Decoded(_flatten(_scale(image, 4 * least_px)), declared, _orientation(image))


def _open(data: bytes, kind: str, max_pixels: int) -> Image.Image:
    if kind == "WEBP":
        # Its decoder allocates the whole canvas as soon as the file is opened.
        _check_pixels(_webp_canvas(data), max_pixels)
    image = Image.open(io.BytesIO(data), formats=[kind])
    _check_pixels(image.size, max_pixels)
    return image


def _webp_canvas(data: bytes) -> tuple[int, int]:
    """Width and height by the first chunk's header. Source: RFC 9649, sections 2.5 to 2.7."""
    chunk = data[12:16]
    if chunk == b"VP8X":
        return _uint(data[24:27]) + 1, _uint(data[27:30]) + 1
    if chunk == b"VP8L":
        sides = _uint(data[21:25])
        return (sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1
    return _uint(data[26:28]) & 0x3FFF, _uint(data[28:30]) & 0x3FFF


def _uint(field: bytes) -> int:
    return int.from_bytes(field, "little")


def _open_heif(data: bytes, max_pixels: int) -> Image.Image:
    # Imported on demand: 35 ms and 4 MB that most invocations never need.
    import pi_heif

    primary = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    _check_pixels(primary.size, max_pixels)
    picture: Image.Image = primary.to_pillow()
    return picture


def _plain(image: Image.Image) -> Image.Image:
    """The same picture in a mode that can be resized: L, RGB, CMYK, or RGBa (premultiplied)."""
    if image.mode.startswith("I;16"):
        return _to_8_bit(image.convert("I"), 65535)
    if image.mode in ("I", "F"):
        low, high = image.getextrema()
        if not (math.isfinite(low) and math.isfinite(high)):  # type: ignore[arg-type]
            raise PhotoError(Reason.CORRUPT, "some pixel values are not finite numbers")
        return _to_8_bit(image, _white_level(float(high)))  # type: ignore[arg-type]
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return image if image.mode == "RGBa" else image.convert("RGBA").convert("RGBa")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _white_level(high: float) -> float:
    """What stands for white in a picture of wide pixels, going by its brightest one."""
    return next((level for level in (1.0, 255.0, 65535.0) if high <= level), max(high, 1.0))


def _to_8_bit(image: Image.Image, white: float) -> Image.Image:
    # Pillow clips when it converts to L; without the scale a 16-bit picture would come out white.
    return image.point(lambda value: value * (255 / white) + 0).convert("L")


def _scale(image: Image.Image, least_px: int) -> Image.Image:
    """Reduced by a whole factor; the long side at most MAX_ASPECT times the short one."""
    width, height = image.size
    short = min(width, height)
    crop_w, crop_h = min(width, MAX_ASPECT * short), min(height, MAX_ASPECT * short)
    left, top = (width - crop_w) // 2, (height - crop_h) // 2
    factor = max(1, short // (2 * least_px))
    return image.reduce(factor, (left, top, left + crop_w, top + crop_h))


def _flatten(image: Image.Image) -> Image.Image:
    """RGB on white."""
    if image.mode != "RGBa":
        return image.convert("RGB")
    picture = image.convert("RGBA")
    page = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(page, picture).convert("RGB")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation still to be applied, 1 to 8.

    After load(): PNG may have it at its end.
    """
    if image.format == "TIFF":
        return 1  # Pillow has turned it already
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _DECODER_ERRORS:
        return 1  # broken metadata is no reason to refuse the picture
    return value if value in _TURNS else 1


def _finish(decoded: _Decoded) -> Photo:
    small, declared, orientation = decoded.small, decoded.declared, decoded.orientation
    width, height = declared if orientation < 5 else declared[::-1]
    upright = small.transpose(_TURNS[orientation]) if orientation in _TURNS else small
    return Photo(upright, width, height)


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    if min(size) < 1:
        raise PhotoError(Reason.CORRUPT, f"the header says {size[0]} x {size[1]} pixels")
    if _pixels(size) > max_pixels:
        raise PhotoError(
            Reason.TOO_MANY_PIXELS,
            f"{size[0]} x {size[1]} pixels; at most {max_pixels} are accepted",
        )


def _pixels(size: tuple[int, int]) -> int:
    return size[0] * size[1]
