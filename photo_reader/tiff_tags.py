"""Directories of a TIFF (6.0, section 2) or a BigTIFF: read a few tags of one, write a new one."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from photo_reader.errors import corrupt, truncated

# The integer types as struct knows them; 13, 16, 17, 18 are IFD, LONG8, SLONG8, IFD8.
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_RATIONAL = 5
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4} | {
    16: 8,
    17: 8,
    18: 8,
}
_MAX_ENTRIES = 0xFFFF


class Tag(IntEnum):
    """Those that are read."""

    NEW_SUBFILE_TYPE = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    MAKE = 271
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES = 277
    ROWS_PER_STRIP = 278
    STRIP_BYTES = 279
    PLANAR = 284
    T4_OPTIONS = 292
    T6_OPTIONS = 293
    PREDICTOR = 317
    COLOUR_MAP = 320
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILE_OFFSETS = 324
    TILE_BYTES = 325
    SUB_DIRECTORIES = 330
    INK_SET = 332
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339
    JPEG_TABLES = 347
    JPEG_PROC = 512
    JPEG_START = 513
    JPEG_BYTES = 514
    JPEG_RESTART = 515
    JPEG_Q_TABLES = 519
    JPEG_DC_TABLES = 520
    JPEG_AC_TABLES = 521
    YCBCR_COEFFICIENTS = 529
    YCBCR_SUBSAMPLING = 530
    YCBCR_POSITIONING = 531
    REFERENCE_BLACK_WHITE = 532
    ICC_PROFILE = 34675
    DNG_VERSION = 50706


@dataclass(frozen=True)
class Directory:
    """The entries of one directory: tag -> type, count, and where the values stand."""

    data: bytes
    order: str
    entries: dict[int, tuple[int, int, int]]
    following: int

    def integers(self, tag: int, most: int) -> tuple[int, ...]:
        """The first `most` values of any integer type; none where they are missing or others."""
        kind, count, at = self.entries.get(tag, (0, 0, 0))
        if kind not in _INTEGERS or at > len(self.data):
            return ()
        count = min(count, most, max(0, len(self.data) - at) // _BYTES[kind])
        return struct.unpack_from(f"{self.order}{count}{_INTEGERS[kind]}", self.data, at)

    def integer(self, tag: int, default: int) -> int:
        return next(iter(self.integers(tag, 1)), default)

    def content(self, tag: int, most: int) -> bytes:
        """The bytes of the values; none where there are more than `most`."""
        kind, count, at = self.entries.get(tag, (0, 0, 0))
        size = count * _BYTES.get(kind, 0)
        return self.data[at : at + size] if size <= most else b""

    def rationals(self, tag: int, count: int) -> bytes:
        """Exactly `count` values, as they stand; none otherwise."""
        kind, there, _ = self.entries.get(tag, (0, 0, 0))
        return self.content(tag, 8 * count) if (kind, there) == (_RATIONAL, count) else b""


def first_directory(data: bytes) -> Directory:
    order = "<" if data.startswith(b"II") else ">"
    is_big = data[2:4] in (b"+\0", b"\0+")
    if len(data) < 16:
        raise truncated("TIFF: the file is cut off within its header")
    start = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)[0]
    return directory(data, order, is_big, start)


def directory(data: bytes, order: str, is_big: bool, start: int) -> Directory:
    """Raises PhotoError where it is not all there."""
    count_bytes, entry_bytes, word = (8, 20, "Q") if is_big else (2, 12, "I")
    if start < 8:  # writers put the place in last
        raise truncated("TIFF: the file was not finished, it does not say where its directory is")
    if start + count_bytes > len(data):
        raise truncated("TIFF: the file is cut off before its directory")
    (count,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, start)
    entries: dict[int, tuple[int, int, int]] = {}
    at = start + count_bytes
    if at + entry_bytes * count > len(data):
        raise truncated("TIFF: the file is cut off within its directory")
    if count > _MAX_ENTRIES:
        raise corrupt(f"TIFF: a directory of {count} entries")
    for entry in range(at, at + entry_bytes * count, entry_bytes):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in entries or tag not in _WANTED:
            continue
        count_at = entry + 4
        values_at = count_at + struct.calcsize(word)
        (several,) = struct.unpack_from(order + word, data, count_at)
        if several * _BYTES.get(kind, 0) > struct.calcsize(word):
            (values_at,) = struct.unpack_from(order + word, data, values_at)
        entries[tag] = (kind, several, values_at)
    after = at + entry_bytes * count
    following = int.from_bytes(
        data[after : after + struct.calcsize(word)], "little" if order == "<" else "big"
    )
    return Directory(data, order, entries, following)


_WANTED = frozenset(Tag)
_SHORT, _LONG, _UNDEFINED = 3, 4, 7


def rebuilt(original: Directory, tags: dict[int, Sequence[int] | bytes]) -> bytes:
    """The file with a new directory at its end, as a classic TIFF of the same byte order.

    Values are numbers below 2**32, or the bytes of RATIONAL (the tags of YCbCr) or UNDEFINED ones.
    """
    order, data = original.order, original.data
    start = len(data) + len(data) % 2
    spare = start + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag in sorted(tags):
        kind, count, content = _encoded(order, tag, tags[tag])
        if len(content) > 4:
            place = struct.pack(order + "I", spare + len(values))
            values += content + bytes(len(content) % 2)
        else:
            place = content.ljust(4, b"\0")
        entries += struct.pack(order + "HHI", tag, kind, count) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    table = struct.pack(order + "H", len(tags)) + entries + bytes(4)
    return b"".join((head, data[8:], bytes(len(data) % 2), table, values))


def _encoded(order: str, tag: int, value: Sequence[int] | bytes) -> tuple[int, int, bytes]:
    """Type, count and bytes."""
    if isinstance(value, bytes):
        if tag == Tag.JPEG_TABLES:
            return _UNDEFINED, len(value), value
        return _RATIONAL, len(value) // 8, value
    is_short = tag in _SHORTS and all(0 <= number <= 0xFFFF for number in value)
    code = "H" if is_short else "I"
    packed = struct.pack(f"{order}{len(value)}{code}", *(number & 0xFFFFFFFF for number in value))
    return _SHORT if is_short else _LONG, len(value), packed


_SHORTS = frozenset(Tag) - {
    Tag.WIDTH, Tag.HEIGHT, Tag.STRIP_OFFSETS, Tag.ROWS_PER_STRIP, Tag.STRIP_BYTES,
    Tag.TILE_WIDTH, Tag.TILE_HEIGHT, Tag.TILE_OFFSETS, Tag.TILE_BYTES, Tag.T4_OPTIONS,
    Tag.T6_OPTIONS, Tag.JPEG_START, Tag.JPEG_BYTES, Tag.JPEG_Q_TABLES, Tag.JPEG_DC_TABLES,
    Tag.JPEG_AC_TABLES,
}  # fmt: skip
