"""The `meta` box of HEIF and AVIF (ISO/IEC 14496-12, section 8.11): items, and what they say."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from photo_reader.errors import corrupt

MAX_BOXES = 10_000


@dataclass
class Meta:
    """What the `meta` box says, as it says it."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    places: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    in_idat: set[int] = field(default_factory=set)
    references: list[tuple[bytes, int, list[int]]] = field(default_factory=list)
    boxes: list[tuple[bytes, bytes]] = field(default_factory=list)
    properties: dict[int, list[int]] = field(default_factory=dict)
    idat: bytes = b""


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Type, body, and whether all of it is there (ISO/IEC 14496-12, section 4.2)."""
    at = 0
    for _ in range(MAX_BOXES):
        if at + 8 > len(data):
            return
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = len(data) if size == 0 else at + max(size, head)
        yield data[at + 4 : at + 8], data[at + head : end], end <= len(data)
        at = end
    raise corrupt(f"HEIF or AVIF: more than {MAX_BOXES} boxes")


def meta_of(body: bytes) -> Meta:
    """Raises PhotoError; struct.error or IndexError where the box ends too early."""
    meta = Meta()
    for name, inner, _ in boxes(body):
        if name == b"pitm":
            meta.primary = int.from_bytes(inner[4 : 6 if inner[0] == 0 else 8], "big")
        elif name == b"iinf":
            _read_kinds(inner, meta)
        elif name == b"iloc":
            _read_places(inner, meta)
        elif name == b"iref":
            _read_references(inner, meta)
        elif name == b"iprp":
            _read_properties(inner, meta)
        elif name == b"idat":
            meta.idat = inner
    return meta


def _read_kinds(body: bytes, meta: Meta) -> None:
    for name, entry, _ in boxes(body[6 if body[0] == 0 else 8 :]):
        if name == b"infe" and entry[0] in (2, 3):
            number, _, kind = struct.unpack_from(">HH4s" if entry[0] == 2 else ">IH4s", entry, 4)
            meta.kinds.setdefault(number, kind)


def _read_places(body: bytes, meta: Meta) -> None:
    """Section 8.11.3 of ISO/IEC 14496-12: where each item's pieces are."""
    version = body[0]
    offset_bytes, length_bytes = body[4] >> 4, body[4] & 15
    base_bytes, index_bytes = body[5] >> 4, body[5] & 15 if version else 0
    wide = 4 if version == 2 else 2
    count, at = int.from_bytes(body[6 : 6 + wide], "big"), 6 + wide
    pieces = 0
    for _ in range(count):
        if at + wide + 4 > len(body):
            raise struct.error
        number, at = int.from_bytes(body[at : at + wide], "big"), at + wide
        method = 0
        if version:
            method, at = body[at + 1] & 15, at + 2
        base = int.from_bytes(body[at + 2 : at + 2 + base_bytes], "big")
        at += 2 + base_bytes
        extents = int.from_bytes(body[at : at + 2], "big")
        at += 2
        pieces += 1 + extents
        if pieces > 2 * MAX_BOXES:
            raise corrupt(f"HEIF or AVIF: more than {2 * MAX_BOXES} pieces of items")
        places = []
        for _ in range(extents):
            at += index_bytes
            offset = int.from_bytes(body[at : at + offset_bytes], "big")
            at += offset_bytes
            places.append((base + offset, int.from_bytes(body[at : at + length_bytes], "big")))
            at += length_bytes
        if method > 1:
            continue
        meta.places.setdefault(number, places)
        if method == 1:
            meta.in_idat.add(number)


def _read_references(body: bytes, meta: Meta) -> None:
    number = ">H" if body[0] == 0 else ">I"
    wide = struct.calcsize(number)
    for name, entry, _ in boxes(body[4:]):
        (source,) = struct.unpack_from(number, entry)
        (count,) = struct.unpack_from(">H", entry, wide)
        numbers = struct.unpack_from(f">{count}{number[1]}", entry, wide + 2)
        meta.references.append((name, source, list(numbers)))


def _read_properties(body: bytes, meta: Meta) -> None:
    for name, inner, _ in boxes(body):
        if name == b"ipco":
            meta.boxes = [(kind, value) for kind, value, _ in boxes(inner)]
        elif name == b"ipma":
            _read_associations(inner, meta)


def _read_associations(body: bytes, meta: Meta) -> None:
    number, index = ">H" if body[0] == 0 else ">I", ">H" if body[3] & 1 else ">B"
    (count,) = struct.unpack_from(">I", body, 4)
    at, total = 8, 0
    for _ in range(count):
        (item,) = struct.unpack_from(number, body, at)
        at += struct.calcsize(number)
        (several,) = struct.unpack_from(">B", body, at)
        at += 1
        values = struct.unpack_from(f">{several}{index[1]}", body, at)
        at += several * struct.calcsize(index)
        total += 1 + several
        if total > 10 * MAX_BOXES:
            raise corrupt(f"HEIF or AVIF: more than {10 * MAX_BOXES} properties of items")
        mask = 0x7FFF if index == ">H" else 0x7F
        meta.properties.setdefault(item, []).extend(value & mask for value in values)
