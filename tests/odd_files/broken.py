"""Files that are no photo: cut off, of other formats, and with headers that promise too much."""

import gzip
import struct
import zlib
from collections.abc import Callable
from functools import partial

from PIL import Image

from rigs import heic
from tests.odd_files.building import (
    Field,
    deflated_zeros,
    directory,
    geometry,
    png,
    png_chunk,
    saved,
    tiff,
)
from tests.odd_files.case import (
    CORRUPT,
    EMPTY,
    NOT_AN_IMAGE,
    SIZE,
    TOO_MANY,
    TRUNCATED,
    UNSUPPORTED,
    Case,
    flag,
    refused,
)

ONE_ROW = png_chunk(b"IDAT", zlib.compress(bytes(200)))


def gradient(format_: str, **options: object) -> bytes:
    return saved(Image.radial_gradient("L").convert("RGB"), format_, **options)


def cut(format_: str, share: float = 0.5, **options: object) -> Callable[[], bytes]:
    def make() -> bytes:
        data = gradient(format_, **options)
        return data[: int(len(data) * share)]

    return make


def gif(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    picture = b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x4c\x01\0"
    return head + picture + b";"


def grey_tiff(width: int, height: int, strip: bytes, compression: int = 1) -> bytes:
    fields = [each for each in geometry((width, height), (8,), 1, strip) if each.tag != 259]
    return tiff([*fields, Field(259, "SHORT", [compression])], strip)


def one_huge_tile() -> bytes:
    strip = deflated_zeros(1000)
    left_out = (259, 273, 278, 279)
    fields = [each for each in geometry((10, 10), (8,), 1, strip) if each.tag not in left_out]
    fields += [
        Field(259, "SHORT", [8]),
        Field(322, "LONG", [1 << 16]),
        Field(323, "LONG", [1 << 16]),
    ]
    return tiff([*fields, Field(324, "LONG", [8]), Field(325, "LONG", [len(strip)])], strip)


def webp(width: int, height: int) -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0"
    body += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body += gradient("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def webp_lossless_header(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    body = b"VP8L" + struct.pack("<I", 16) + b"\x2f" + struct.pack("<I", bits) + bytes(11)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def jpeg_claiming(width: int, height: int, **options: object) -> bytes:
    data = bytearray(gradient("JPEG", **options))
    frame = next(at for at in (data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) if at > 0)
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def bmp(width: int, height: int, bits: int = 24, compression: int = 0) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 300, 0, 0, 54) + head + bytes(300)


def iso_claiming(data: bytes, width: int, height: int) -> bytes:
    """HEIF or AVIF whose `ispe` boxes lie about the size."""
    at, changed = data.find(b"ispe"), bytearray(data)
    while at > 0:
        changed[at + 8 : at + 16] = struct.pack(">II", width, height)
        at = data.find(b"ispe", at + 1)
    return bytes(changed)


def raw(make: bytes, *extra: Field) -> bytes:
    """A camera's raw file: a thumbnail first, the sensor's values in a directory below it."""
    pixels = flag().tobytes()
    fields = [*geometry(SIZE, (8, 8, 8), 2, pixels), Field(254, "LONG", [1]), *extra]
    fields.append(Field(271, "ASCII", make + b"\0"))
    sensor = [*geometry(SIZE, (14,), 32803, b""), Field(254, "LONG", [0])]
    # The directory below begins where the file would end without it.
    end = len(tiff([*fields, Field(330, "LONG", [0])], pixels))
    return tiff([*fields, Field(330, "LONG", [end])], pixels) + directory(sensor, "<", end)


def signature(head: bytes) -> bytes:
    return head + bytes(20)


_REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    # Not images at all, or not ours
    "nothing": (lambda: b"", EMPTY),
    "one byte": (lambda: b"\xff", NOT_AN_IMAGE),
    "text": (lambda: b"Woof, said the file.\n" * 99, NOT_AN_IMAGE),
    "text that begins like a bmp": (lambda: b"BMW is no dog breed. " * 99, NOT_AN_IMAGE),
    "html": (lambda: b"<!doctype html><p>404", NOT_AN_IMAGE),
    "zip": (lambda: b"PK\x03\x04" + bytes(99), NOT_AN_IMAGE),
    "gzip of a photo": (lambda: gzip.compress(gradient("JPEG"), mtime=0), NOT_AN_IMAGE),
    "mp4": (lambda: b"\0\0\0\x18ftypisom\0\0\2\0isommp42" + bytes(99), NOT_AN_IMAGE),
    "zeros": (lambda: bytes(100_000), NOT_AN_IMAGE),
    "svg": (
        lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        UNSUPPORTED,
    ),
    "pdf": (lambda: b"%PDF-1.7\n", UNSUPPORTED),
    "eps": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", UNSUPPORTED),
    "psd": (lambda: b"8BPS\0\1" + bytes(99), UNSUPPORTED),
    "ico": (lambda: gradient("ICO"), UNSUPPORTED),
    "ppm": (lambda: gradient("PPM"), UNSUPPORTED),
    "jpeg-ls": (lambda: b"\xff\xd8\xff\xf7\0\x0b\x08\0\x40\0\x60\1\1\x11\0", UNSUPPORTED),
    "jpeg 2000": (lambda: gradient("JPEG2000"), UNSUPPORTED),
    "dds": (lambda: gradient("DDS"), UNSUPPORTED),
    "nef": (partial(raw, b"NIKON CORPORATION"), UNSUPPORTED),
    "arw": (partial(raw, b"SONY"), UNSUPPORTED),
    "pef": (partial(raw, b"PENTAX"), UNSUPPORTED),
    "dng": (partial(raw, b"Google", Field(50706, "BYTE", [1, 4, 0, 0])), UNSUPPORTED),
    # Headers that promise too much
    "png 60000 x 60000": (lambda: png(60000, 60000, ONE_ROW), TOO_MANY),
    "png just over the limit": (lambda: png(64_000_001, 1, ONE_ROW), TOO_MANY),
    "png of 2**31 pixels a side": (lambda: png(2**31 - 1, 2**31 - 1, ONE_ROW), TOO_MANY),
    "png without header": (lambda: png(96, 64, ONE_ROW).replace(b"IHDR", b"iHDR"), CORRUPT),
    "png without size": (lambda: png(0, 0, ONE_ROW), CORRUPT),
    "gif 65535 x 65535": (lambda: gif((65535, 65535), (65535, 65535)), TOO_MANY),
    "gif frame beyond its screen": (lambda: gif((1, 1), (65535, 65535)), TOO_MANY),
    "gif screen beyond its frame": (lambda: gif((65535, 65535), (1, 1)), TOO_MANY),
    "tiff 100000 x 100000": (lambda: grey_tiff(100_000, 100_000, bytes(100)), TOO_MANY),
    "webp canvas 16383 x 16383": (lambda: webp(16383, 16383), TOO_MANY),
    "webp canvas 12000 x 10000": (lambda: webp(12000, 10000), TOO_MANY),
    "webp lossless 16383 x 16383": (lambda: webp_lossless_header(16383, 16383), TOO_MANY),
    "jpeg 65500 x 65500": (lambda: jpeg_claiming(65500, 65500), TOO_MANY),
    "bmp 60000 x 60000": (lambda: bmp(60000, 60000), TOO_MANY),
    "bmp 60000 x -60000": (lambda: bmp(60000, -60000), TOO_MANY),
    "avif 16000 x 16000": (lambda: iso_claiming(gradient("AVIF"), 16000, 16000), TOO_MANY),
    "heic 30000 x 30000": (lambda: iso_claiming(heic.UPRIGHT, 30000, 30000), TOO_MANY),
    # Headers that lie within the limit
    "png 7000 x 7000 without pixels": (lambda: png(7000, 7000, ONE_ROW), TRUNCATED),
    "gif 7000 x 7000 without pixels": (lambda: gif((7000, 7000), (7000, 7000)), TRUNCATED),
    "tiff 7000 x 7000 without pixels": (lambda: grey_tiff(7000, 7000, bytes(100)), TRUNCATED),
    "tiff strip over its end": (
        lambda: grey_tiff(7000, 7000, deflated_zeros(1000), 8),
        CORRUPT,
    ),
    "tiff of one huge tile": (one_huge_tile, CORRUPT),
    "webp canvas 7000 x 7000": (lambda: webp(7000, 7000), CORRUPT),
    "jpeg 7000 x 7000 without pixels": (lambda: jpeg_claiming(7000, 7000), TRUNCATED),
    "progressive jpeg 7000 x 7000 without pixels": (
        lambda: jpeg_claiming(7000, 7000, progressive=True),
        TRUNCATED,
    ),
    "bmp 7000 x 7000 without pixels": (lambda: bmp(7000, 7000), TRUNCATED),
    "bmp rle without pixels": (lambda: bmp(5000, 5000, 8, 1), CORRUPT),
    # Cut off
    "jpeg of its header alone": (lambda: gradient("JPEG")[:300], TRUNCATED),
    "jpeg cut in its first rows": (lambda: gradient("JPEG")[:1200], TRUNCATED),
    "jpeg cut": (cut("JPEG"), TRUNCATED),
    "png cut": (cut("PNG"), TRUNCATED),
    "gif cut": (cut("GIF"), TRUNCATED),
    "webp cut": (cut("WEBP"), TRUNCATED),
    "webp lossless cut": (cut("WEBP", lossless=True), TRUNCATED),
    "bmp cut": (cut("BMP"), TRUNCATED),
    "tiff cut": (cut("TIFF"), TRUNCATED),
    "tiff lzw cut": (cut("TIFF", compression="tiff_lzw"), TRUNCATED),
    "avif cut": (cut("AVIF"), TRUNCATED),
    "heic cut": (lambda: heic.UPRIGHT[:-20], TRUNCATED),
    "png of its signature alone": (partial(signature, b"\x89PNG\r\n\x1a\n"), TRUNCATED),
    "gif of its signature alone": (partial(signature, b"GIF89a"), TRUNCATED),
    "tiff of its signature alone": (partial(signature, b"II*\0"), TRUNCATED),
    "bigtiff of its signature alone": (partial(signature, b"II+\0"), TRUNCATED),
    "webp of its signature alone": (partial(signature, b"RIFF\0\0\0\0WEBP"), TRUNCATED),
    "avif of its signature alone": (
        partial(signature, b"\0\0\0\x18ftypavif\0\0\0\0avifmif1"),
        TRUNCATED,
    ),
    "heic of its signature alone": (
        partial(signature, b"\0\0\0\x18ftypheic\0\0\0\0heicmif1"),
        TRUNCATED,
    ),
}
BROKEN: dict[str, Case] = {name: refused(make, code) for name, (make, code) in _REFUSED.items()}
