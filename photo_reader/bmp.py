"""BMP: its header (Microsoft, "Bitmap Header Types"). The pixels are decoded as they stand."""

import struct

from photo_reader.container import LIGHT_PIXELS, Container
from photo_reader.errors import truncated
from photo_reader.icc import MAX_PROFILE_BYTES

# The layout of a Container whose pixels are run lengths.
RUNS = "runs"
_OLD_HEADER, _FULL_HEADER, _V5_HEADER = 12, 40, 124
_RUN_LENGTHS = (1, 2)


def parse(data: bytes) -> Container:
    """Raises PhotoError."""
    header = int.from_bytes(data[14:18], "little")
    if len(data) < 14 + header:
        raise truncated("BMP: the file is cut off within its header")
    if header == _OLD_HEADER:
        width, height = struct.unpack_from("<HH", data, 18)
        compression = 0
    else:
        width, height = map(abs, struct.unpack_from("<ii", data, 18))
        compression = _uint(data, 30) if header >= _FULL_HEADER else 0
    profile = _profile(data) if header == _V5_HEADER else b""
    has_runs = compression in _RUN_LENGTHS
    return Container(
        "BMP",
        (_with_sound_palette(data, header),),
        (width, height),
        profile=profile,
        layout=RUNS if has_runs else "",
        # Run lengths are unpacked one by one in Python.
        is_heavy=has_runs or width * height > LIGHT_PIXELS,
    )


def _with_sound_palette(data: bytes, header: int) -> bytes:
    """With no more colours than its pixels can name."""
    if header < _FULL_HEADER:
        return data
    bits = int.from_bytes(data[28:30], "little")
    if bits > 8 or _uint(data, 46) <= 1 << bits:
        return data
    return b"".join((data[:46], struct.pack("<I", 1 << bits), data[50:]))


def _profile(data: bytes) -> bytes:
    """The profile that a BITMAPV5HEADER says is embedded."""
    if data[70:74] != b"DEBM":  # PROFILE_EMBEDDED, "MBED" as a little-endian number
        return b""
    start, size = struct.unpack_from("<II", data, 126)
    return data[14 + start : 14 + start + size] if size <= MAX_PROFILE_BYTES else b""


def _uint(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")
