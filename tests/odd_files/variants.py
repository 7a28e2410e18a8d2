"""Sound photos from the corners of their formats, which no library here writes."""

import struct
import zlib
from collections.abc import Callable
from functools import partial

from PIL import Image

from tests.odd_files.building import (
    ORIENTATION,
    Field,
    directory,
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
from tests.odd_files.case import (
    BLACK,
    BLUE,
    DARK,
    LIGHT,
    ORANGE,
    SIZE,
    WHITE,
    Case,
    flag,
)
from tests.odd_files.formats import tiff_of

_WIDTH, _HEIGHT = SIZE
# Adam7 (PNG, third edition, section 8.1): first column and row, step between columns and rows.
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def interlaced_png() -> bytes:
    pixels, rows = _rows(flag()), b""
    for left, top, across, down in _PASSES:
        for y in range(top, _HEIGHT, down):
            starts = range(3 * left, 3 * _WIDTH, 3 * across)
            rows += b"\0" + b"".join(pixels[y][at : at + 3] for at in starts)
    head = struct.pack(">IIBBBBB", *SIZE, 8, 2, 0, 0, 1)
    body = png_chunk(b"IHDR", head) + png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


def png_of_four_bits() -> bytes:
    """Grey levels 4 and 9 of 15, of which 9 stands for transparent."""
    upper = b"\0" + b"\x44" * (_WIDTH // 4) + b"\x99" * (_WIDTH // 4)
    lower = b"\0" + b"\x99" * (_WIDTH // 2)
    rows = zlib.compress(upper * (_HEIGHT // 2) + lower * (_HEIGHT // 2))
    level = png_chunk(b"tRNS", struct.pack(">H", 9))
    return png(*SIZE, level, png_chunk(b"IDAT", rows), depth=4, colour=0)


def png_in_many_pieces() -> bytes:
    """One byte of pixels a chunk, as streaming encoders may write."""
    packed = zlib.compress(b"".join(b"\0" + row for row in _rows(flag())))
    return png(*SIZE, *(png_chunk(b"IDAT", packed[at : at + 1]) for at in range(len(packed))))


def png_of_wide_primaries() -> bytes:
    """cICP (section 11.3.2.6): Display P3 by its code points, the curve of sRGB."""
    stored = flag(blue=(37, 62, 192), orange=(188, 123, 61))
    return png_with(saved(stored, "PNG"), png_chunk(b"cICP", bytes((12, 13, 0, 1))))


def _rows(image: Image.Image) -> list[bytes]:
    data, stride = image.tobytes(), image.width * len(image.getbands())
    return [data[at : at + stride] for at in range(0, len(data), stride)]


def bmp(bits: int, compression: int, table: bytes, pixels: bytes, top_down: bool = False) -> bytes:
    """BITMAPINFOHEADER, colour table or masks, pixels."""
    start = 14 + 40 + len(table)
    height = -_HEIGHT if top_down else _HEIGHT
    colours = len(table) // 4 if bits <= 8 else 0
    head = struct.pack(
        "<IiiHHIIiiII", 40, _WIDTH, height, 1, bits, compression, len(pixels), 0, 0, colours, 0
    )
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + head + table + pixels


_TABLE = bytes((*BLUE[::-1], 0, *ORANGE[::-1], 0))


def bmp_of_runs() -> bytes:
    """RLE8: lines from the bottom, runs of one index."""
    half = _WIDTH // 2
    lower = bytes((_WIDTH, 1, 0, 0)) * (_HEIGHT // 2)
    upper = bytes((half, 0, half, 1, 0, 0)) * (_HEIGHT // 2)
    return bmp(8, 1, _TABLE, lower + upper + b"\0\1")


def bmp_of_runs_that_end_early() -> bytes:
    """RLE4: literal runs of an odd length; the upper half is left out, so it has index 0."""
    row = bytes((0, 3, 0x11, 0x10)) * 2 + bytes((_WIDTH - 6, 0x11, 0, 0))
    return bmp(4, 2, _TABLE, row * (_HEIGHT // 2) + b"\0\1")


def bmp_that_announces_too_many_colours() -> bytes:
    lower = b"\1" * _WIDTH
    upper = bytes(_WIDTH // 2) + b"\1" * (_WIDTH // 2)
    return bmp(8, 0, _TABLE * 150, lower * (_HEIGHT // 2) + upper * (_HEIGHT // 2))


def bmp_of_one_bit() -> bytes:
    lower = b"\xff" * (_WIDTH // 8)
    upper = bytes(_WIDTH // 16) + b"\xff" * (_WIDTH // 16)
    return bmp(1, 0, _TABLE, lower * (_HEIGHT // 2) + upper * (_HEIGHT // 2))


def bmp_of_sixteen_bits() -> bytes:
    """5, 6 and 5 bits by masks."""

    def packed(colour: tuple[int, int, int]) -> bytes:
        red, green, blue = colour
        return struct.pack("<H", red >> 3 << 11 | green >> 2 << 5 | blue >> 3)

    lower = packed(ORANGE) * _WIDTH
    upper = packed(BLUE) * (_WIDTH // 2) + packed(ORANGE) * (_WIDTH // 2)
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    return bmp(16, 3, masks, lower * (_HEIGHT // 2) + upper * (_HEIGHT // 2))


def bmp_of_os2() -> bytes:
    """BITMAPCOREHEADER of 12 bytes."""
    rows = b"".join(row[::-1] for row in reversed(_rows(flag().transpose(_MIRRORED))))
    head = struct.pack("<IHHHH", 12, *SIZE, 1, 24)
    return b"BM" + struct.pack("<IHHI", 26 + len(rows), 0, 0, 26) + head + rows


_MIRRORED = Image.Transpose.FLIP_LEFT_RIGHT


def tiled_tiff() -> bytes:
    side = 32
    boxes = [(x, y) for y in range(0, _HEIGHT, side) for x in range(0, _WIDTH, side)]
    tiles = [flag().crop((x, y, x + side, y + side)).tobytes() for x, y in boxes]
    starts = [8 + index * len(tiles[0]) for index in range(len(tiles))]
    fields = [
        field for field in geometry(SIZE, (8, 8, 8), 2, b"") if field.tag not in (273, 278, 279)
    ]
    fields += [
        Field(322, "LONG", [side]), Field(323, "LONG", [side]), Field(324, "LONG", starts),
        Field(325, "LONG", [len(tile) for tile in tiles]),
    ]  # fmt: skip
    return tiff(fields, b"".join(tiles))


def tiff_of_many_strips(order: str) -> bytes:
    pixels, rows = flag().tobytes(), 7
    stride = rows * _WIDTH * 3
    starts = range(0, len(pixels), stride)
    left_out = (273, 278, 279)
    fields = [each for each in geometry(SIZE, (8, 8, 8), 2, b"") if each.tag not in left_out]
    fields += [
        Field(273, "LONG", [8 + start for start in starts]),
        Field(278, "SHORT", [rows]),
        Field(279, "LONG", [min(stride, len(pixels) - start) for start in starts]),
    ]
    return tiff(fields, pixels, order)


def premultiplied_tiff() -> bytes:
    half = tuple(value // 2 for value in BLUE)
    return tiff_of(
        lambda first: (*half, 128) if first else (0, 0, 0, 0),
        "<B", 8, 2, Field(338, "SHORT", [1]),
    )  # fmt: skip


def premultiplied_grey_tiff(code: str, bits: int) -> bytes:
    """0x30 at half opacity: 0x60 itself, 175 on white."""
    scale = 257 if bits == 16 else 1
    return tiff_of(
        lambda first: (0x30 * scale, 0x80 * scale) if first else (0, 0),
        code, bits, 1, Field(338, "SHORT", [1]),
    )  # fmt: skip


def premultiplied_planar_tiff() -> bytes:
    """Each sample in a plane of its own."""
    half, width = tuple(value // 2 for value in BLUE), _WIDTH // 2
    planes = []
    for value in (*half, 128):
        upper = bytes((value,)) * width + bytes(width)
        planes.append(upper * (_HEIGHT // 2) + bytes(_WIDTH * _HEIGHT // 2))
    starts = [8 + number * len(planes[0]) for number in range(4)]
    fields = [each for each in geometry(SIZE, (8,) * 4, 2, b"") if each.tag not in (273, 279)]
    fields += [
        Field(273, "LONG", starts), Field(279, "LONG", [len(plane) for plane in planes]),
        Field(284, "SHORT", [2]), Field(338, "SHORT", [1]),
    ]  # fmt: skip
    return tiff(fields, b"".join(planes))


def turned_thumbnail() -> bytes:
    """Only the second directory of the EXIF block, the thumbnail's, says how it was held."""
    first = [Field(0x010F, "ASCII", b"A camera\0")]
    second = 8 + len(directory(first, "<", 8))
    block = b"II*\0" + struct.pack("<I", 8) + directory(first, "<", 8, second)
    block += directory([Field(ORIENTATION, "SHORT", [3])], "<", second)
    return jpeg_with(saved(flag(), "JPEG", quality=95), jpeg_segment(0xE1, b"Exif\0\0" + block))


def webp_turned_by_exif() -> bytes:
    block = tiff([Field(ORIENTATION, "SHORT", [3])], order=">")
    data = saved(flag().rotate(180), "WEBP", lossless=True)
    return webp_with(data, SIZE, 0x08, (b"EXIF", block))


def jpeg_in_a_row(*offsets: int) -> bytes:
    """Comments of odd lengths, which put the following segments at odd places."""
    comments = (jpeg_segment(0xFE, b"\xff\xd9\xff\xda" * offset) for offset in offsets)
    return jpeg_with(saved(flag(), "JPEG", quality=95), *comments)


def grey_tiff_of(values: Callable[[bool], tuple[int, ...]], bits: int, photometric: int) -> bytes:
    return tiff_of(values, "<H" if bits == 16 else "<B", bits, photometric)


VARIANTS: dict[str, Case] = {
    "png interlaced": Case(interlaced_png),
    "png grey of four bits with a transparent level": Case(
        png_of_four_bits, quarters=((68,) * 3, WHITE, WHITE, WHITE)
    ),
    "png in pieces of one byte": Case(png_in_many_pieces),
    "png in Display P3 by cICP": Case(png_of_wide_primaries, within=8),
    "bmp of runs": Case(bmp_of_runs),
    "bmp of runs that end early": Case(
        bmp_of_runs_that_end_early, quarters=(BLUE, BLUE, ORANGE, ORANGE)
    ),
    "bmp of 8 bits with 300 colours": Case(bmp_that_announces_too_many_colours),
    "bmp of one bit": Case(bmp_of_one_bit),
    "bmp of 16 bits": Case(bmp_of_sixteen_bits),
    "bmp of OS/2": Case(bmp_of_os2),
    "tiff in tiles": Case(tiled_tiff),
    "tiff in strips": Case(partial(tiff_of_many_strips, "<")),
    "tiff in strips, big endian": Case(partial(tiff_of_many_strips, ">")),
    "tiff with premultiplied alpha in planes": Case(
        premultiplied_planar_tiff, quarters=((137, 157, 227), WHITE, WHITE, WHITE)
    ),
    "tiff grey with premultiplied alpha": Case(
        partial(premultiplied_grey_tiff, "<B", 8), quarters=((175,) * 3, WHITE, WHITE, WHITE)
    ),
    "tiff 16 bit grey with premultiplied alpha": Case(
        partial(premultiplied_grey_tiff, "<H", 16), quarters=((175,) * 3, WHITE, WHITE, WHITE)
    ),
    "tiff with premultiplied alpha": Case(
        premultiplied_tiff, quarters=((137, 157, 227), WHITE, WHITE, WHITE)
    ),
    "tiff whose zero is white": Case(
        partial(grey_tiff_of, lambda first: (255 - (0x40 if first else 0xC0),), 8, 0),
        quarters=(DARK, LIGHT, LIGHT, LIGHT),
    ),
    "tiff 16 bit whose zero is white": Case(
        partial(grey_tiff_of, lambda first: (65535 - (0x4040 if first else 0xC0C0),), 16, 0),
        quarters=(DARK, LIGHT, LIGHT, LIGHT),
    ),
    "tiff of signed 16 bit": Case(
        lambda: tiff_of(
            lambda first: (-32768 if first else 32767,), "<h", 16, 1, Field(339, "SHORT", [2])
        ),
        quarters=(BLACK, WHITE, WHITE, WHITE),
    ),
    "jpeg whose thumbnail alone is turned": Case(turned_thumbnail),
    "webp turned by exif": Case(webp_turned_by_exif),
    "jpeg with markers in its comments": Case(partial(jpeg_in_a_row, 1, 0, 3000, 7)),
}  # fmt: skip
