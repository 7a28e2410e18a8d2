"""BMP: its header (Microsoft, "Bitmap Header Types"). The pixels are decoded as they stand."""

import struct

from photo_reader.container import LIGHT_PIXELS, Container
from photo_reader.errors import truncated
from photo_reader.icc import MAX_PROFILE_BYTES

_OLD_HEADER, _V5_HEADER = 12, 124
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
        (compression,) = struct.unpack_from("<I", data, 30)
    profile = _profile(data) if header == _V5_HEADER else b""
    # Pillow unpacks run lengths one by one in Python.
    heavy = compression in _RUN_LENGTHS or width * height > LIGHT_PIXELS
    return Container("BMP", (data,), (width, height), profile=profile, is_heavy=heavy)


def _profile(data: bytes) -> bytes:
    """The profile that a BITMAPV5HEADER says is embedded."""
    if data[70:74] != b"DEBM":  # PROFILE_EMBEDDED, "MBED" as a little-endian number
        return b""
    start, size = struct.unpack_from("<II", data, 126)
    return data[14 + start : 14 + start + size] if size <= MAX_PROFILE_BYTES else b""
