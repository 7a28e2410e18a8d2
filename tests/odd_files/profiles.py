"""ICC profiles written by hand (ICC.1:2001-04, version 2), and how colours look in them."""

import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

# Colorants adapted to D50, the columns red, green and blue; as the ICC's own profiles hold them.
_SRGB = ((0.43607, 0.38515, 0.14307), (0.22249, 0.71687, 0.06061), (0.01392, 0.09708, 0.71410))
SPACES = {
    "Display P3": (
        ((0.51512, 0.29198, 0.15710), (0.24120, 0.69225, 0.06657), (-0.00105, 0.04189, 0.78407)),
        2.19921875,
    ),
    "Adobe RGB": (
        ((0.60974, 0.20528, 0.14919), (0.31111, 0.62567, 0.06322), (0.01947, 0.06087, 0.74457)),
        2.19921875,
    ),
    "ProPhoto": (
        ((0.79767, 0.13519, 0.03134), (0.28804, 0.71188, 0.00009), (0.0, 0.0, 0.82491)),
        1.8,
    ),
    # No camera's: whoever forgets the profile sees red for blue.
    "red and blue swapped": (
        ((0.14307, 0.38515, 0.43607), (0.06061, 0.71687, 0.22249), (0.71410, 0.09708, 0.01392)),
        2.19921875,
    ),
}
_D50 = (0.9642, 1.0, 0.8249)


def rgb_profile(space: str, extra: Mapping[bytes, bytes] | None = None) -> bytes:
    """A matrix and three curves; `extra` are tags that nobody needs."""
    matrix, gamma = SPACES[space]
    tags = {b"wtpt": _xyz(_D50)}
    for index, name in enumerate((b"r", b"g", b"b")):
        tags[name + b"XYZ"] = _xyz([row[index] for row in matrix])
        tags[name + b"TRC"] = _gamma(gamma)
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags | dict(extra or {}))


def grey_profile(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": _xyz(_D50), b"kTRC": _gamma(gamma)})


def cmyk_profile(cyan: Colour, others: Colour) -> bytes:
    """Pure cyan ink looks like `cyan`, every other mixture like `others`."""
    grid = b"".join(
        _lab_bytes(cyan if (c, m, y, k) == (1, 0, 0, 0) else others)
        for c in (0, 1)
        for m in (0, 1)
        for y in (0, 1)
        for k in (0, 1)
    )
    identity = b"".join(
        struct.pack(">i", 65536 if row == column else 0) for row in range(3) for column in range(3)
    )
    straight = bytes(range(256))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + straight * 4 + grid + straight * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": _xyz(_D50), b"A2B0": lut})


def encoded(colour: Colour, space: str) -> Colour:
    """The values that stand for an sRGB colour in another space."""
    matrix, gamma = SPACES[space]
    linear = np.linalg.inv(np.array(matrix)) @ np.array(_SRGB) @ _linear(colour)
    red, green, blue = (round(255 * v) for v in np.clip(linear, 0, 1) ** (1 / gamma))
    return red, green, blue


def grey_encoded(level: int, gamma: float) -> int:
    linear = float(_linear((level,) * 3)[0])
    value: float = 255 * linear ** (1 / gamma)
    return round(value)


def lab(colour: Colour) -> tuple[float, float, float]:
    """CIE L*a*b* by D50 (CIE 15)."""
    xyz = np.array(_SRGB) @ _linear(colour) / np.array(_D50)
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116).tolist()
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _linear(colour: Sequence[int]) -> NDArray[np.float64]:
    """IEC 61966-2-1."""
    value = np.array(colour) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _lab_bytes(colour: Colour) -> bytes:
    lightness, a, b = lab(colour)
    return bytes((round(lightness * 2.55), round(a) + 128, round(b) + 128))


def _profile(kind: bytes, space: bytes, pcs: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    text = b"made for a test\0"
    described = struct.pack(">I", len(text)) + text + bytes(78)
    tags = {b"desc": b"desc" + bytes(4) + described, b"cprt": b"text" + bytes(4) + text, **tags}
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x02400000, kind, space, pcs)
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(_D50)
    return head.ljust(128, b"\0") + table + body


def _gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256))


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _fixed(values: Sequence[float]) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)
