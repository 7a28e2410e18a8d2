"""WebP (RFC 9649): the picture, or the first frame of an animation, without metadata."""

import struct
from collections.abc import Iterator

from photo_reader.container import LIGHT_PIXELS, Container
from photo_reader.errors import corrupt, truncated
from photo_reader.exif import orientation
from photo_reader.icc import MAX_PROFILE_BYTES

MAX_CHUNKS = 20_000
_ALPHA, _ANIMATED = 0x10, 0x02
_KEPT_IN_FRAME = (b"ALPH", b"VP8 ", b"VP8L")


def parse(data: bytes) -> Container:
    """Raises PhotoError."""
    chunks: dict[bytes, bytes] = {}
    is_cut = int.from_bytes(data[4:8], "little") + 8 > len(data)
    for name, body, whole in _chunks(data, 12):
        if name not in chunks:
            chunks[name] = body
            is_cut |= not whole
    extended = chunks.get(b"VP8X", b"")
    frame = chunks.get(b"ANMF", b"")
    body = _animation(chunks) if frame and len(extended) >= 10 else _still(chunks)
    if not body:
        is_cut |= not any(chunks.values())
        raise (truncated if is_cut else corrupt)("WebP: it has no picture")
    size = _canvas(extended) if len(extended) >= 10 else _size(chunks)
    profile = chunks.get(b"ICCP", b"")
    pixels = size[0] * size[1]
    # A lossless stream may ask for more memory than its pixels do: tables for its codes.
    lossless = b"VP8L" in body or b"ALPH" in body
    return Container(
        "WEBP",
        (b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body,),
        size,
        orientation(chunks.get(b"EXIF", b"")),
        profile if len(profile) <= MAX_PROFILE_BYTES else b"",
        is_cut=is_cut,
        is_heavy=lossless or pixels > LIGHT_PIXELS,
    )


def _chunks(data: bytes, at: int) -> Iterator[tuple[bytes, bytes, bool]]:
    """Name, body, and whether all of the body is there."""
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(data):
            return
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + size], at + 8 + size <= len(data)
        at += 8 + size + size % 2
    raise corrupt(f"WebP: more than {MAX_CHUNKS} chunks")


def _still(chunks: dict[bytes, bytes]) -> bytes:
    picture = _pixels(chunks)
    extended = chunks.get(b"VP8X", b"")
    if picture and len(extended) >= 10:
        return _chunk(b"VP8X", bytes((extended[0] & _ALPHA,)) + extended[1:10]) + picture
    return picture


def _animation(chunks: dict[bytes, bytes]) -> bytes:
    """Its first frame alone, on its canvas."""
    extended, frame = chunks[b"VP8X"], chunks[b"ANMF"]
    parts = {name: body for name, body, _ in _chunks(frame, 16) if name in _KEPT_IN_FRAME}
    picture = frame[:16] + _pixels(parts)
    head = bytes((extended[0] & _ALPHA | _ANIMATED,)) + extended[1:10]
    control = chunks.get(b"ANIM", b"")[:6].ljust(6, b"\0")
    return _chunk(b"VP8X", head) + _chunk(b"ANIM", control) + _chunk(b"ANMF", picture)


def _pixels(chunks: dict[bytes, bytes]) -> bytes:
    return b"".join(_chunk(name, chunks[name]) for name in _KEPT_IN_FRAME if name in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _canvas(extended: bytes) -> tuple[int, int]:
    return _uint(extended[4:7]) + 1, _uint(extended[7:10]) + 1


def _size(chunks: dict[bytes, bytes]) -> tuple[int, int]:
    """By the stream's own header (sections 2.5 and 3.4)."""
    if lossless := chunks.get(b"VP8L", b""):
        sides = _uint(lossless[1:5])
        return (sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1
    lossy = chunks.get(b"VP8 ", b"")
    return _uint(lossy[6:8]) & 0x3FFF, _uint(lossy[8:10]) & 0x3FFF


def _uint(field: bytes) -> int:
    return int.from_bytes(field, "little")
