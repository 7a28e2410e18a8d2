"""Pillow and pi_heif on rebuilt files: pixels, and faults in words of our own."""

import io
import math
import mmap
import struct
import warnings
import zlib
from importlib import import_module
from typing import Any

from PIL import Image

from photo_reader import bmp, bmp_runs, pixels
from photo_reader.container import Container
from photo_reader.cut_jpeg import CutFile, check_rows
from photo_reader.errors import PhotoError, corrupt, truncated, unsupported

# No complete JPEG packs more: each 8 x 8 block takes at least one bit, so a smaller file is cut off
# even where it ends as it should.
_PIXELS_A_BYTE = 8 * 64
# What the greediest decoders allocate: WebP's, four canvases of RGBA.
_BYTES_A_PIXEL = 16

_AVIF_THREADS = 4

_PLUGINS = {
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
}

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

# A file that lies about its metadata is not news.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(container: Container, least_px: int) -> tuple[Image.Image, tuple[int, int]]:
    """A small copy with 8 bits a sample, not turned yet, and the original's size.

    Raises PhotoError, and MemoryError where there was too little for a good file.
    """
    try:
        if container.kind == "JPEG":
            return _decode_jpeg(container, least_px)
        return _decode_other(container, least_px)
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise corrupt(f"{container.kind}: its frames are larger than it says") from error
    except _DECODER_ERRORS as error:
        if not container.is_cut and _is_short_of_memory(container.size):
            raise MemoryError(f"too little to decode {container.size} pixels") from error
        raise _refusal(container, error) from error


def draft_scale(size: tuple[int, int], least_px: int) -> int:
    """By how much libjpeg shrinks a picture while it decodes, which is most of what is saved."""
    return next((scale for scale in (8, 4, 2) if min(size) // scale >= least_px), 1)


def _decode_jpeg(container: Container, least_px: int) -> tuple[Image.Image, tuple[int, int]]:
    from PIL import JpegImagePlugin

    file: Any = CutFile(container.pieces)
    with JpegImagePlugin.JpegImageFile(file) as image:
        scale = draft_scale(container.size, least_px)
        if scale > 1:
            image.draft(None, (container.size[0] // scale, container.size[1] // scale))
        file.pad_with_end_markers()
        image.load()
        if file.was_cut or len(file) < math.prod(container.size) // _PIXELS_A_BYTE:
            check_rows(image, scale, container.size[1])
        return pixels.reduced(image, least_px), container.size


def _decode_other(container: Container, least_px: int) -> tuple[Image.Image, tuple[int, int]]:
    small: list[Image.Image] = []
    size = container.size
    layout = container.layout
    for data in container.files:
        with _open_heif(data) if container.kind == "HEIF" else _open(container, data) as image:
            if not small:
                size = image.size
            image.load()
            picture = image
            if layout.startswith(("LA16", "La16")):
                picture = pixels.grey_and_alpha(image, layout)
                layout = "La" if layout.startswith("La") else ""
            of_plane = "" if len(container.files) > 1 else layout
            small.append(pixels.reduced(picture, least_px, of_plane, container.transparent))
    if len(small) > 1:
        return pixels.merged(layout, small), size
    return small[0], size


def _open(container: Container, data: bytes) -> Image.Image:
    # Not Image.open: it has a limit of its own, which is global to the process.
    name, plugin = _PLUGINS[container.kind]
    module: Any = import_module(name)
    if container.kind == "AVIF":
        # One for each processor by default, and each has 8 MB of addresses of the worker's budget.
        module.DEFAULT_MAX_THREADS = _AVIF_THREADS
    if container.kind == "BMP" and container.layout == bmp.RUNS:
        data = bmp_runs.unpacked(data)
    try:
        image: Image.Image = getattr(module, plugin)(io.BytesIO(data))
    except SyntaxError as error:
        if container.kind == "TIFF":
            # The directory has been found to be sound, so it is its pixels that Pillow cannot take.
            raise unsupported("TIFF files with pixels of this kind are not accepted") from error
        raise
    return image


def _open_heif(data: bytes) -> Image.Image:
    # Imported on demand: 35 ms and 4 MB that most photos never need.
    import pi_heif

    picture: Image.Image = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True).to_pillow()
    return picture


def _refusal(container: Container, error: BaseException) -> PhotoError:
    kind, words = container.kind, str(error).lower()
    if container.is_cut or isinstance(error, EOFError) or "truncated" in words:
        return truncated(f"{kind}: the file is cut off, its pixels end too early")
    if kind == "BMP" and words.startswith("unsupported"):
        return unsupported("BMP files with pixels of this kind are not accepted")
    return corrupt(f"{kind}: its pixels are damaged and cannot be decoded")


def _is_short_of_memory(size: tuple[int, int]) -> bool:
    """Whether a file of such a picture might be good, and the memory was not there.

    Decoders report that in many ways, as errors of the file among them: hence this look at what
    can be had.
    """
    try:
        mmap.mmap(-1, math.prod(size) * _BYTES_A_PIXEL).close()
    except (OSError, MemoryError):
        return True
    return False
