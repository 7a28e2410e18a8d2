"""TIFF: kinds of pixels that Pillow alone shows wrong or not at all, and directories that lie."""

import struct
from array import array

import pytest
from PIL import Image

from photo_reader import PhotoError, read
from tests.odd_files.building import Field, deflated_zeros, geometry, saved, tiff
from tests.odd_files.case import flag

SIZE = (96, 64)
COUNT = SIZE[0] * SIZE[1]
ALPHA, PREDICTOR, SIGNED = (
    Field(338, "SHORT", [2]),
    Field(317, "SHORT", [2]),
    Field(339, "SHORT", [2]),
)


def grey(values: bytes, bits: int, samples: int = 1, *extra: Field, photometric: int = 1) -> bytes:
    """Every pixel is `values`, of which there are `samples` of `bits` each."""
    strip = values * COUNT
    return tiff([*geometry(SIZE, (bits,) * samples, photometric, strip), *extra], strip)


def middle(data: bytes) -> int:
    red, green, blue = read(data, 384).picture.getpixel((48, 32))  # type: ignore[misc]
    assert red == green == blue
    return int(red)


def test_signed_values_begin_at_black() -> None:
    assert middle(grey(struct.pack("<h", -32768), 16, 1, SIGNED)) == 0
    assert middle(grey(struct.pack("<h", 0), 16, 1, SIGNED)) in (127, 128)
    assert middle(grey(struct.pack("<h", 32767), 16, 1, SIGNED)) == 255


def test_unsigned_values_of_32_bits_are_not_taken_for_negative() -> None:
    assert middle(grey(struct.pack("<I", 0xC0000000), 32)) == 0xC0


def test_wide_values_with_white_at_zero_are_inverted() -> None:
    assert middle(grey(struct.pack("<H", 0x4000), 16, photometric=0)) == 0xBF


def differences(rows: list[list[int]], samples: int) -> bytes:
    out = array("H")
    for row in rows:
        out.extend(
            (value - (row[at - samples] if at >= samples else 0)) & 0xFFFF
            for at, value in enumerate(row)
        )
    return out.tobytes()


def test_grey_with_opacity_in_differences_is_summed_up() -> None:
    row = [value for x in range(SIZE[0]) for value in (x * 600, 0xFFFF)]
    strip = differences([row] * SIZE[1], 2)
    data = tiff([*geometry(SIZE, (16, 16), 1, strip), ALPHA, PREDICTOR], strip)
    picture = read(data, 384).picture
    assert picture.getpixel((80, 10)) == (80 * 600 >> 8,) * 3


@pytest.mark.parametrize("sharing", [1, 2])
def test_planes_of_luma_and_chroma_make_one_picture(sharing: int) -> None:
    luma, *chroma = flag(SIZE).convert("YCbCr").split()
    small = (SIZE[0] // sharing, SIZE[1] // sharing)
    planes = [luma.tobytes(), *(plane.resize(small).tobytes() for plane in chroma)]
    starts = [8 + sum(map(len, planes[:number])) for number in range(3)]
    fields = [each for each in geometry(SIZE, (8, 8, 8), 6, b"") if each.tag not in (273, 279)]
    fields += [
        Field(273, "LONG", starts),
        Field(279, "LONG", [len(plane) for plane in planes]),
        Field(284, "SHORT", [2]),
        Field(530, "SHORT", [sharing, sharing]),
    ]
    picture = read(tiff(fields, b"".join(planes)), 384).picture
    assert picture.getpixel((10, 10))[2] > 180  # type: ignore[index]
    assert picture.getpixel((80, 50))[0] > 180  # type: ignore[index]


def test_colours_are_luma_and_chroma_without_compression_too() -> None:
    strip = flag(SIZE).convert("YCbCr").tobytes()
    fields = [*geometry(SIZE, (8, 8, 8), 6, strip), Field(530, "SHORT", [1, 1])]
    assert read(tiff(fields, strip), 384).picture.getpixel((10, 10))[2] > 180  # type: ignore[index]


def test_cmyk_with_opacity_is_unsupported() -> None:
    with pytest.raises(PhotoError, match="UNSUPPORTED_FORMAT: CMYK TIFF"):
        read(grey(bytes(5), 8, 5, ALPHA, photometric=5), 384)


def test_strips_that_are_all_the_same_bytes_are_refused() -> None:
    strip = deflated_zeros(96 * 64)
    left_out = (259, 273, 278, 279)
    fields = [each for each in geometry(SIZE, (8,), 1, strip) if each.tag not in left_out]
    fields += [
        Field(259, "SHORT", [8]),
        Field(273, "LONG", [8] * 64),
        Field(278, "LONG", [1]),
        Field(279, "LONG", [1 << 20] * 64),
    ]
    with pytest.raises(PhotoError, match="CORRUPT: TIFF: its strips or tiles overlap"):
        read(tiff(fields, strip), 384)


def test_tag_of_any_type_that_pixels_do_not_need_is_not_read() -> None:
    strip = flag(SIZE).tobytes()
    odd = [
        Field(296, "RATIONAL", [2, 1]),
        Field(0xA005, "LONG", [0xFFFFFFF0]),
        Field(700, "BYTE", [1]),
    ]
    plain = tiff(geometry(SIZE, (8, 8, 8), 2, strip), strip)
    data = tiff([*geometry(SIZE, (8, 8, 8), 2, strip), *odd], strip)
    assert read(data, 384).picture.tobytes() == read(plain, 384).picture.tobytes()


def test_picture_of_another_compression_is_named() -> None:
    data = saved(Image.new("RGB", SIZE), "TIFF").replace(
        struct.pack("<HHII", 259, 3, 1, 1), struct.pack("<HHII", 259, 3, 1, 34712)
    )
    with pytest.raises(PhotoError, match="UNSUPPORTED_FORMAT: TIFF files with JPEG 2000"):
        read(data, 384)
