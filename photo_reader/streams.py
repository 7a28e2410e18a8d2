"""How large the pictures in HEVC and AV1 streams are, whatever their container says."""

from collections.abc import Iterator

from photo_reader.bits import Bits

# A picture is one to a few of these units; parameter sets come first.
_MAX_UNITS = 1000
# Sizes stand in the first bytes of a parameter set.
_HEAD_BYTES = 400

_HEVC_SPS = 33
_AV1_SEQUENCE_HEADER = 1


def hevc_size(config: bytes, data: bytes) -> tuple[int, int] | None:
    """The largest picture that any sequence parameter set announces, cropped as it says.

    `config` is an `hvcC` box's body (ISO/IEC 14496-15, section 8.3.3.1), `data` the units behind
    their lengths. None where there is no parameter set.
    """
    if len(config) < 23:
        return None
    length_bytes = (config[21] & 3) + 1
    units = [*_units_of_config(config), *_units(data, length_bytes)]
    sizes = [_sps_size(unit) for unit in units if unit and unit[0] >> 1 & 0x3F == _HEVC_SPS]
    return _largest(sizes)


def _units_of_config(config: bytes) -> Iterator[bytes]:
    at, units = 23, 0
    for _ in range(config[22]):
        count = int.from_bytes(config[at + 1 : at + 3], "big")
        at += 3
        for _ in range(min(count, _MAX_UNITS - units)):
            length = int.from_bytes(config[at : at + 2], "big")
            yield config[at + 2 : at + 2 + min(length, _HEAD_BYTES)]
            at += 2 + length
            units += 1


def _units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    at = 0
    for _ in range(_MAX_UNITS):
        if at + length_bytes >= len(data):
            return
        length = int.from_bytes(data[at : at + length_bytes], "big")
        at += length_bytes
        yield data[at : at + min(length, _HEAD_BYTES)]
        at += length


def _sps_size(unit: bytes) -> tuple[int, int]:
    """ITU-T H.265, section 7.3.2.2.1."""
    bits = Bits(unit[2:].replace(b"\0\0\3", b"\0\0"))
    bits.take(4)
    sub_layers = bits.take(3)
    bits.take(1 + 96)
    present = [(bits.take(1), bits.take(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.take(2 * (8 - sub_layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
    bits.exp_golomb()
    chroma = bits.exp_golomb()
    if chroma == 3:
        bits.take(1)
    width, height = bits.exp_golomb(), bits.exp_golomb()
    if bits.take(1):
        left, right, top, bottom = (bits.exp_golomb() for _ in range(4))
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1)
    return width, height


def av1_size(config: bytes, data: bytes) -> tuple[int, int] | None:
    """The largest picture that any sequence header announces.

    `config` is an `av1C` box's body (AV1 in ISO media, section 2.3). None where there is none.
    """
    units = [*_obus(config[4:]), *_obus(data)]
    return _largest([_sequence_size(body) for kind, body in units if kind == _AV1_SEQUENCE_HEADER])


def _obus(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and head of each unit (AV1 specification, section 5.3)."""
    at = 0
    for _ in range(_MAX_UNITS):
        if at >= len(data):
            return
        kind, extension, has_size = data[at] >> 3 & 15, data[at] >> 2 & 1, data[at] >> 1 & 1
        at += 1 + extension
        length = len(data) - at
        if has_size:
            length, at = _leb128(data, at)
        yield kind, data[at : at + min(max(length, 0), _HEAD_BYTES)]
        at += max(length, 0)


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for number in range(8):
        byte = data[at] if at < len(data) else 0
        value |= (byte & 0x7F) << 7 * number
        at += 1
        if not byte & 0x80:
            break
    return value, at


def _sequence_size(body: bytes) -> tuple[int, int]:
    """AV1 specification, section 5.5.1."""
    bits = Bits(body)
    bits.take(3 + 1)
    if bits.take(1):  # reduced_still_picture_header
        bits.take(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1


def _skip_operating_points(bits: Bits) -> None:
    decoder_model, delay_bits = 0, 0
    if bits.take(1):  # timing_info_present_flag
        bits.take(64)
        if bits.take(1):
            bits.exp_golomb()
        decoder_model = bits.take(1)
        if decoder_model:
            delay_bits = bits.take(5) + 1
            bits.take(32 + 5 + 5)
    initial_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if decoder_model and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if initial_delay and bits.take(1):
            bits.take(4)


def _largest(sizes: list[tuple[int, int]]) -> tuple[int, int] | None:
    return max(sizes, key=lambda size: size[0] * size[1], default=None)
