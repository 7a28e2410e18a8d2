"""A new HEIF or AVIF file of a few items (ISO/IEC 14496-12 and 23008-12)."""

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """`properties` are (type, body) of boxes, `parts` the numbers of the items it is made of."""

    number: int
    kind: bytes
    content: bytes
    properties: tuple[tuple[bytes, bytes], ...]
    parts: tuple[int, ...] = ()


def write(kind: str, primary: int, alpha: int | None, items: list[Item]) -> bytes:
    """`alpha` is the number of the item that holds the opacity of the primary one."""
    numbers = {item.number: place for place, item in enumerate(items, 1)}
    brand = b"heic" if kind == "HEIF" else b"avif"
    head = _box(b"ftyp", brand + bytes(4) + b"mif1miaf" + brand)
    meta_bytes = len(_meta(numbers, primary, alpha, items, 0))
    meta = _meta(numbers, primary, alpha, items, len(head) + meta_bytes + 8)
    return head + meta + _box(b"mdat", *(item.content for item in items))


def _meta(
    numbers: dict[int, int], primary: int, alpha: int | None, items: list[Item], start: int
) -> bytes:
    """`start` is where the content of the first item will stand in the file."""
    kinds, places = struct.pack(">H", len(items)), b"\x44\0" + struct.pack(">H", len(items))
    boxes: dict[bytes, int] = {}
    shared = struct.pack(">I", len(items))
    for item in items:
        number = struct.pack(">H", numbers[item.number])
        kinds += _full(b"infe", 2, number + bytes(2) + item.kind + b"\0")
        places += number + bytes(2) + struct.pack(">HII", 1, start, len(item.content))
        start += len(item.content)
        indices = [boxes.setdefault(_box(*each), len(boxes) + 1) for each in item.properties]
        shared += number + struct.pack(f">B{len(indices)}H", len(indices), *indices)
    properties = _box(b"ipco", *boxes) + _full(b"ipma", 0, shared, flags=1)
    return _full(
        b"meta",
        0,
        _full(b"hdlr", 0, bytes(4) + b"pict" + bytes(13))
        + _full(b"pitm", 0, struct.pack(">H", numbers[primary]))
        + _full(b"iloc", 0, places)
        + _full(b"iinf", 0, kinds)
        + _references(numbers, primary, alpha, items)
        + _box(b"iprp", properties),
    )


def _references(
    numbers: dict[int, int], primary: int, alpha: int | None, items: list[Item]
) -> bytes:
    found = [(b"dimg", item.number, item.parts) for item in items if item.parts]
    if alpha is not None:
        found.append((b"auxl", alpha, (primary,)))
    body = b""
    for name, source, targets in found:
        places = [numbers[source], len(targets), *(numbers[target] for target in targets)]
        body += _box(name, struct.pack(f">{len(places)}H", *places))
    return _full(b"iref", 0, body) if body else b""


def _full(name: bytes, version: int, body: bytes, flags: int = 0) -> bytes:
    return _box(name, struct.pack(">I", version << 24 | flags), body)


def _box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body
