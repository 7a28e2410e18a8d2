"""Files made to cost time or memory: small ones of large pictures, large ones of nothing."""

import struct
from collections.abc import Callable
from functools import partial

from PIL import Image

from rigs import heic
from tests.odd_files.broken import gradient, grey_tiff, iso_claiming
from tests.odd_files.building import (
    deflated_zeros,
    geometry,
    jpeg_segment,
    jpeg_with,
    png,
    png_chunk,
    png_with,
    saved,
    tiff,
    webp_with,
)
from tests.odd_files.case import CORRUPT, FLAG, PHOTO, SIZE, TOO_MANY, Case, Quarters, flag, refused

ENTRIES = 65_535  # the most that a TIFF directory can have
SHARED_BYTES = 1 << 20


def exif_of_one_value_many_times() -> bytes:
    """65,535 entries, each of which says that the same megabyte is its value."""
    start = 8 + 2 + 12 * ENTRIES + 4
    entries = b"".join(struct.pack("<HHII", tag, 7, SHARED_BYTES, start) for tag in range(ENTRIES))
    head = b"II*\0" + struct.pack("<IH", 8, ENTRIES)
    return head + entries + bytes(4) + bytes(SHARED_BYTES)


def exif_in_jpeg() -> bytes:
    """In as many segments as it takes: some readers put them together."""
    block, size = exif_of_one_value_many_times(), 65_000
    pieces = (block[at : at + size] for at in range(0, len(block), size))
    segments = (jpeg_segment(0xE1, b"Exif\0\0" + piece) for piece in pieces)
    return jpeg_with(saved(flag(), "JPEG", quality=95), *segments)


def exif_in_png() -> bytes:
    return png_with(saved(flag(), "PNG"), png_chunk(b"eXIf", exif_of_one_value_many_times()))


def exif_in_webp() -> bytes:
    data = saved(flag(), "WEBP", lossless=True)
    return webp_with(data, SIZE, 0x08, (b"EXIF", exif_of_one_value_many_times()))


def tiff_of_one_value_many_times() -> bytes:
    pixels = flag().tobytes()
    sound = geometry(SIZE, (8, 8, 8), 2, pixels)
    count = ENTRIES - len(sound)
    start = 8 + len(pixels)
    behind = start + 2 + 12 * ENTRIES + 4
    entries = tiff(sound, pixels)[start + 2 : start + 2 + 12 * len(sound)]
    bits = behind  # BitsPerSample alone does not fit into its entry
    entries = entries[:32] + struct.pack("<I", bits) + entries[36:]
    entries += b"".join(
        struct.pack("<HHII", 40_000 + number % 900, 7, SHARED_BYTES, behind + 6)
        for number in range(count)
    )
    head = b"II*\0" + struct.pack("<I", start) + pixels + struct.pack("<H", ENTRIES)
    return head + entries + bytes(4) + struct.pack("<3H", 8, 8, 8) + bytes(SHARED_BYTES)


def padded_jpeg(piece: bytes, size: int = 25_000_000) -> bytes:
    return jpeg_with(saved(flag(), "JPEG", quality=95), piece * (size // len(piece)))


def png_of_zeros(width: int, height: int, depth: int, colour: int, samples: int) -> bytes:
    row_bytes = 1 + width * samples * depth // 8
    idat = png_chunk(b"IDAT", deflated_zeros(row_bytes * height))
    return png(width, height, idat, depth=depth, colour=colour)


def jpeg_of_many_scans(count: int) -> bytes:
    data = gradient("JPEG", progressive=True)
    last = data.rfind(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def animated(format_: str, count: int, **options: object) -> bytes:
    pages = (Image.new("RGB", (64, 64), (i % 256, i // 256, 0)) for i in range(count))
    first = next(pages)
    return saved(first, format_, save_all=True, append_images=pages, **options)


def large(format_: str, side: int, **options: object) -> bytes:
    return saved(Image.new("RGB", (side, side)), format_, **options)


def tiff_of_circling_directories() -> bytes:
    """The first directory is its own successor."""
    pixels = flag().tobytes()
    data = bytearray(tiff(geometry(SIZE, (8, 8, 8), 2, pixels), pixels))
    start = 8 + len(pixels)
    (count,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    return bytes(data)


def text_bombs() -> bytes:
    bombs = (png_chunk(b"zTXt", b"%d\0\0" % i + deflated_zeros(2 << 20)) for i in range(40))
    return png_with(saved(flag(), "PNG"), *bombs)


def _photo(
    make: Callable[[], bytes], size: tuple[int, int] = SIZE, quarters: Quarters | None = None
) -> Case:
    return Case(make, PHOTO, size, quarters)


_FLAG = partial(_photo, quarters=FLAG)

HOSTILE: dict[str, Case] = {
    # Metadata
    "jpeg whose exif names one megabyte 65,535 times": _FLAG(exif_in_jpeg),
    "png whose exif names one megabyte 65,535 times": _FLAG(exif_in_png),
    "webp whose exif names one megabyte 65,535 times": _FLAG(exif_in_webp),
    "tiff whose directory names one megabyte 65,535 times": _FLAG(tiff_of_one_value_many_times),
    "png with bombs of text": _FLAG(text_bombs),
    "tiff whose directories are a circle": _FLAG(tiff_of_circling_directories),
    # 25 MB of nothing
    "jpeg of empty app segments": refused(
        partial(padded_jpeg, jpeg_segment(0xE5, b"")), CORRUPT
    ),
    "jpeg of empty comments": refused(partial(padded_jpeg, jpeg_segment(0xFE, b"")), CORRUPT),
    "jpeg of fill bytes": _FLAG(partial(padded_jpeg, b"\xff")),
    # Small files of large pictures
    "png of 49 megapixels in 16 bit with alpha": _photo(
        partial(png_of_zeros, 7000, 7000, 16, 6, 4), (7000, 7000)
    ),
    "png of 49 megapixels in 16 bit": _photo(
        partial(png_of_zeros, 7000, 7000, 16, 0, 1), (7000, 7000)
    ),
    "png of one row": _photo(partial(png_of_zeros, 49_999_992, 1, 8, 0, 1), (49_999_992, 1)),
    "png of one bit a pixel": _photo(partial(png_of_zeros, 7000, 7000, 1, 0, 1), (7000, 7000)),
    "png of a gigapixel": refused(partial(png_of_zeros, 32000, 32000, 1, 0, 1), TOO_MANY),
    "webp of 49 megapixels": _photo(partial(large, "WEBP", 7000, method=0), (7000, 7000)),
    "tiff deflate bomb": refused(
        lambda: grey_tiff(30_000, 30_000, deflated_zeros(90_000_000), 8), TOO_MANY
    ),
    # The container says another size than the picture has
    "avif larger than it says": _photo(
        lambda: iso_claiming(gradient("AVIF"), 2, 2), (256, 256)
    ),
    "avif of 36 megapixels that says 2 x 2": _photo(
        lambda: iso_claiming(large("AVIF", 6000, speed=10), 2, 2), (6000, 6000)
    ),
    "avif smaller than it says": _photo(
        lambda: iso_claiming(gradient("AVIF"), 7000, 7000), (256, 256)
    ),
    "heic larger than it says": _photo(lambda: iso_claiming(heic.UPRIGHT, 2, 2)),
    "heic smaller than it says": _photo(lambda: iso_claiming(heic.UPRIGHT, 7000, 7000)),
    # Thousands of frames and scans
    "gif of 2000 frames": _photo(partial(animated, "GIF", 2000), (64, 64)),
    "apng of 1000 frames": _photo(partial(animated, "PNG", 1000), (64, 64)),
    "webp of 1000 frames": _photo(partial(animated, "WEBP", 1000, method=0), (64, 64)),
    "tiff of 400 pages": _photo(partial(animated, "TIFF", 400), (64, 64)),
    "jpeg of 1000 scans": refused(partial(jpeg_of_many_scans, 1000), CORRUPT),
}  # fmt: skip
