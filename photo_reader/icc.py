"""ICC profiles as bytes: put together, unpacked, made. Without Pillow, without lcms."""

import struct
import zlib

# Profiles of presses have half a megabyte, those with large tables two.
MAX_PROFILE_BYTES = 4 << 20

# Colorants of red, green and blue, adapted to D50 (ICC.1, Annex E), by the code for primaries of
# ITU-T H.273: 9 is BT.2020, 12 is Display P3.
_COLORANTS = {
    9: ((0.67348, 0.27904, -0.00194), (0.16566, 0.67534, 0.02998), (0.12505, 0.04561, 0.79686)),
    12: ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
}
_D50 = (0.9642, 1.0, 0.8249)
# Transfer functions of H.273 that are shown like sRGB's: BT.709 and its kin, and sRGB itself.
_LIKE_SRGB = (1, 2, 6, 13, 14, 15)


def joined(pieces: dict[int, bytes]) -> bytes:
    """A profile in numbered pieces; none where it is too large."""
    profile = b"".join(pieces[number] for number in sorted(pieces))
    return profile if len(profile) <= MAX_PROFILE_BYTES else b""


def inflated(packed: bytes) -> bytes:
    """A deflated profile; none where it is damaged or too large."""
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed, MAX_PROFILE_BYTES)
    except zlib.error:
        return b""
    return profile if unpacker.eof else b""


def of_primaries(primaries: int, transfer: int) -> bytes:
    """A profile for the code points of `nclx` and `cICP`; none where they mean sRGB or HDR."""
    colorants = _COLORANTS.get(primaries)
    if colorants is None or transfer not in _LIKE_SRGB:
        return b""
    # sRGB's curve (IEC 61966-2-1) as a parametric curve of type 3.
    curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0)
    curve += b"".join(map(_fixed, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
    text = b"desc" + bytes(4) + struct.pack(">I", 4) + b"RGB\0" + bytes(78)
    tags = {b"desc": text, b"cprt": b"text" + bytes(5), b"wtpt": _xyz(_D50)}
    for name, colorant in zip((b"r", b"g", b"b"), colorants, strict=True):
        tags |= {name + b"XYZ": _xyz(colorant), name + b"TRC": curve}
    return _profile(tags)


def _profile(tags: dict[bytes, bytes]) -> bytes:
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    size = start + len(body)
    head = struct.pack(">II", size, 0) + b"\x02\x40\0\0mntrRGB XYZ " + bytes(12) + b"acsp"
    return (head + bytes(28) + b"".join(map(_fixed, _D50))).ljust(128, b"\0") + table + body


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, values))


def _fixed(value: float) -> bytes:
    """s15Fixed16Number."""
    return struct.pack(">i", round(value * 65536))
