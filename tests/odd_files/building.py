"""Parts of image files, put together by hand: what no library writes on purpose."""

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

# TIFF's field types (TIFF 6.0, section 2) by name: number, bytes a value, struct's letter.
TYPES = {
    "BYTE": (1, 1, "B"), "ASCII": (2, 1, "s"), "SHORT": (3, 2, "H"), "LONG": (4, 4, "I"),
    "RATIONAL": (5, 8, "II"), "UNDEFINED": (7, 1, "s"), "SSHORT": (8, 2, "h"), "SLONG": (9, 4, "i"),
    "SRATIONAL": (10, 8, "ii"), "FLOAT": (11, 4, "f"), "DOUBLE": (12, 8, "d"), "IFD": (13, 4, "I"),
}  # fmt: skip
ORIENTATION = 0x0112


@dataclass(frozen=True)
class Field:
    """One entry of a TIFF directory; `values` are numbers (two for a rational), or text."""

    tag: int
    kind: str
    values: Sequence[float] | bytes

    @property
    def count(self) -> int:
        return len(self.values) // (2 if "RATIONAL" in self.kind else 1)

    def packed(self, order: str) -> bytes:
        if isinstance(self.values, bytes):
            return self.values
        letter = TYPES[self.kind][2][0]
        whole = [value if letter in "fd" else int(value) for value in self.values]
        return struct.pack(f"{order}{len(whole)}{letter}", *whole)


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def directory(fields: Sequence[Field], order: str, at: int, following: int = 0) -> bytes:
    """A TIFF directory that lies at offset `at`, with the values that do not fit behind it."""
    ordered = sorted(fields, key=lambda field: field.tag)
    entries, behind = b"", b""
    start = at + 2 + 12 * len(ordered) + 4
    for field in ordered:
        value = field.packed(order)
        entries += struct.pack(f"{order}HHI", field.tag, TYPES[field.kind][0], field.count)
        if len(value) <= 4:
            entries += value.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", start + len(behind))
            behind += value + bytes(len(value) % 2)
    head = struct.pack(f"{order}H", len(ordered))
    return head + entries + struct.pack(f"{order}I", following) + behind


def tiff(fields: Sequence[Field], pixels: bytes = b"", order: str = "<") -> bytes:
    """Header, pixels at offset 8, and the directory behind them; without pixels, an EXIF block."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    pixels += bytes(len(pixels) % 2)
    start = 8 + len(pixels)
    return mark + struct.pack(f"{order}I", start) + pixels + directory(fields, order, start)


def big_tiff(fields: Sequence[Field], pixels: bytes, order: str = "<") -> bytes:
    """The same with BigTIFF's offsets of 64 bits; values must fit in eight bytes."""
    mark = b"II+\0" if order == "<" else b"MM\0+"
    pixels += bytes(len(pixels) % 2)
    ordered = sorted(fields, key=lambda field: field.tag)
    entries = b"".join(
        struct.pack(f"{order}HHQ", field.tag, TYPES[field.kind][0], field.count)
        + field.packed(order).ljust(8, b"\0")
        for field in ordered
    )
    head = struct.pack(f"{order}HHQ", 8, 0, 16 + len(pixels))
    return mark + head + pixels + struct.pack(f"{order}Q", len(ordered)) + entries + bytes(8)


def geometry(
    size: tuple[int, int], bits: Sequence[int], photometric: int, pixels: bytes
) -> list[Field]:
    """What a TIFF of one strip says about itself."""
    return [
        Field(256, "LONG", [size[0]]), Field(257, "LONG", [size[1]]),
        Field(258, "SHORT", bits), Field(259, "SHORT", [1]), Field(262, "SHORT", [photometric]),
        Field(273, "LONG", [8]), Field(277, "SHORT", [len(bits)]),
        Field(278, "LONG", [size[1]]), Field(279, "LONG", [len(pixels)]),
    ]  # fmt: skip


def exif(*fields: Field, order: str = "<") -> bytes:
    """An EXIF block as `Image.save(exif=...)` takes it."""
    return b"Exif\0\0" + tiff(fields, order=order)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    end = png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + b"".join(chunks) + end


def png_with(data: bytes, *chunks: bytes) -> bytes:
    """A PNG with chunks of one's own behind its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_with(data: bytes, *segments: bytes) -> bytes:
    """A JPEG with segments of one's own behind its first marker."""
    return data[:2] + b"".join(segments) + data[2:]


def webp_with(
    data: bytes, size: tuple[int, int], flags: int, *chunks: tuple[bytes, bytes]
) -> bytes:
    """A WebP in the extended format with chunks of one's own behind its picture."""
    width, height = ((side - 1).to_bytes(3, "little") for side in size)
    picture = data[12:]
    body = b"VP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0]) + width + height + picture
    for name, content in chunks:
        body += name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def deflated_zeros(size: int) -> bytes:
    """Made in pieces."""
    packer, block = zlib.compressobj(9), bytes(1 << 20)
    parts = [packer.compress(block) for _ in range(size >> 20)]
    return b"".join([*parts, packer.compress(bytes(size & 0xFFFFF)), packer.flush()])
