"""BMP of run lengths -> the same BMP without them (Microsoft, "Bitmap Compression").

Pillow's own decoder loses the last pixel of odd literal runs of 4 bits, and refuses pictures that
end early: what a file leaves out has the palette's first colour.
"""

import struct

_FOUR_BITS = 2  # the compression; 1 is of 8 bits
_END_OF_ROW, _END_OF_PICTURE, _MOVE = 0, 1, 2


def unpacked(data: bytes) -> bytes:
    """An uncompressed file of 8 bits a pixel. Raises ValueError where the runs end too early."""
    (start,) = struct.unpack_from("<I", data, 10)
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    (colours,) = struct.unpack_from("<I", data, 46)
    head = bytearray(data[:start])
    struct.pack_into("<HII", head, 28, 8, 0, 0)
    struct.pack_into("<I", head, 46, colours or 1 << bits)
    return bytes(head + _pixels(data, start, width, abs(height), compression == _FOUR_BITS))


def _pixels(data: bytes, at: int, width: int, height: int, is_four_bits: bool) -> bytearray:
    """Rows of one byte a pixel, each filled up to a multiple of four."""
    stride = width + -width % 4
    rows = bytearray(stride * height)
    x = y = 0
    while y < height:
        if at + 2 > len(data):
            if y == height - 1 and x >= width:
                break
            raise ValueError("the runs end before the picture does")
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            pair = (value >> 4, value & 15) if is_four_bits else (value, value)
            run = (bytes(pair) * 128)[:count]
        elif value == _END_OF_ROW:
            x, y = 0, y + 1
            continue
        elif value == _END_OF_PICTURE:
            break
        elif value == _MOVE:
            x, y, at = x + data[at], y + data[at + 1], at + 2
            continue
        else:
            size = (value + 1) // 2 if is_four_bits else value
            run = _literal(data[at : at + size], is_four_bits)[:value]
            at += size + size % 2
        there = run[: max(0, width - x)]
        rows[y * stride + x : y * stride + x + len(there)] = there
        x += len(run)
    return rows


def _literal(packed: bytes, is_four_bits: bool) -> bytes:
    if not is_four_bits:
        return packed
    return bytes(value for pair in packed for value in (pair >> 4, pair & 15))
