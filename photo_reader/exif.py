"""One number out of an Exif block: how the camera was held.

Nothing else of it is looked at, so nothing else of it can be wrong or cost anything.
"""

import struct

_ORIENTATION = 0x0112
# The integer types of TIFF 6.0, section 2, as struct knows them.
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
# Cameras write about ten entries into the first directory.
_MAX_ENTRIES = 1000


def orientation(block: bytes) -> int:
    """1 to 8; 1 (upright) where the block says nothing or nothing sensible.

    `block` begins with TIFF's byte order mark, or with "Exif" and two zeros before it.
    """
    block = block.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 10:
        return 1
    (start,) = struct.unpack_from(order + "I", block, 4)
    if start + 2 > len(block):
        return 1
    (count,) = struct.unpack_from(order + "H", block, start)
    for number in range(min(count, _MAX_ENTRIES)):
        at = start + 2 + 12 * number
        entry = block[at : at + 12]
        if len(entry) < 12:
            break
        tag, kind = struct.unpack_from(order + "HH", entry)
        if tag == _ORIENTATION:
            return _valid(struct.unpack_from(order + _INTEGERS.get(kind, "x"), entry, 8))
    return 1


def _valid(values: tuple[int, ...]) -> int:
    return values[0] if values and 1 <= values[0] <= 8 else 1
