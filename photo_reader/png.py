"""PNG (W3C, third edition): the chunks of its picture, and what it says about colour and turn."""

import struct
import zlib

from photo_reader import icc
from photo_reader.container import LIGHT_PIXELS, Container
from photo_reader.errors import corrupt, truncated, unsupported
from photo_reader.exif import orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# A file of the largest accepted size in chunks of 256 bytes; encoders write 8 KiB and more.
MAX_CHUNKS = 100_000
# Bit depths by colour type (section 11.2.1, table 10).
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_GREY, _RGB, _PALETTE = 0, 2, 3


def parse(data: bytes) -> Container:
    """Raises PhotoError."""
    chunks, pixels, is_cut = _walk(data)
    width, height, depth, colour = _header(chunks, len(data))
    transparency = chunks.get(b"tRNS", b"")
    transparent = None
    if depth == 16 and colour == _GREY and len(transparency) >= 2:
        (transparent,), transparency = struct.unpack_from(">H", transparency), b""
    kept = {b"IHDR": chunks[b"IHDR"][:13], b"PLTE": chunks.get(b"PLTE", b"")}
    kept[b"tRNS"] = _in_8_bits(transparency, depth, colour)
    head = b"".join(_chunk(name, body) for name, body in kept.items() if body)
    return Container(
        "PNG",
        (SIGNATURE + head + _chunk(b"IDAT", b"".join(pixels)) + _chunk(b"IEND", b""),),
        (width, height),
        orientation(chunks.get(b"eXIf", b"")),
        _profile(chunks),
        is_cut=is_cut or not any(pixels),
        is_heavy=width * height > LIGHT_PIXELS,
        transparent=transparent,
    )


def _walk(data: bytes) -> tuple[dict[bytes, bytes], list[bytes], bool]:
    """The first chunk of each name but IDAT, the bodies of IDAT, and whether the end is missing."""
    wanted = {b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"sRGB", b"cICP", b"eXIf", b"CgBI"}
    chunks: dict[bytes, bytes] = {}
    pixels: list[bytes] = []
    at = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(data):
            return chunks, pixels, True
        (length,) = struct.unpack_from(">I", data, at)
        name, end = data[at + 4 : at + 8], at + 8 + length
        if name == b"IDAT":
            pixels.append(data[at + 8 : end])
        elif name == b"IEND":
            return chunks, pixels, False
        elif name in wanted and name not in chunks and end <= len(data):
            chunks[name] = data[at + 8 : end]
        at = end + 4
    raise corrupt(f"PNG: more than {MAX_CHUNKS} chunks")


def _header(chunks: dict[bytes, bytes], size: int) -> tuple[int, int, int, int]:
    """Width, height, bit depth, colour type."""
    if b"CgBI" in chunks:
        raise unsupported("Apple's own variant of PNG (CgBI) is not accepted")
    head = chunks.get(b"IHDR", b"")
    if len(head) < 13:
        if size >= len(SIGNATURE) + 8 + 13:
            raise corrupt("PNG: it does not begin with its header")
        raise truncated("PNG: the file is cut off within its header")
    width, height, depth, colour = struct.unpack_from(">IIBB", head)
    if depth not in _DEPTHS.get(colour, ()):
        raise corrupt(f"PNG: the header says colour type {colour} with {depth} bits")
    return width, height, depth, colour


def _in_8_bits(transparency: bytes, depth: int, colour: int) -> bytes:
    """The transparent grey or colour in the values that Pillow compares it with."""
    if colour == _GREY and len(transparency) >= 2 and 1 < depth < 8:
        (value,) = struct.unpack_from(">H", transparency)
        return struct.pack(">H", value * 255 // (2**depth - 1) & 0xFFFF)
    if colour == _RGB and len(transparency) >= 6 and depth == 16:
        return bytes((0, transparency[0], 0, transparency[2], 0, transparency[4]))
    # A palette's may end early, all others of another length say nothing.
    is_sound = colour == _PALETTE or len(transparency) == {_GREY: 2, _RGB: 6}.get(colour)
    return transparency if is_sound else b""


def _profile(chunks: dict[bytes, bytes]) -> bytes:
    """By the precedence of section 4.3: cICP, iCCP, sRGB."""
    if len(chunks.get(b"cICP", b"")) == 4:
        return icc.of_primaries(chunks[b"cICP"][0], chunks[b"cICP"][1])
    name, zero, packed = chunks.get(b"iCCP", b"").partition(b"\0")
    return icc.inflated(packed[1:]) if zero and len(name) < 80 else b""


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
