"""HEIF and AVIF: the streams' own sizes count, and pictures made of many are bounded."""

import struct

import pytest
from PIL import Image

from photo_reader import PhotoError, iso, read
from photo_reader.iso_write import Item, write
from photo_reader.streams import av1_size, hevc_size
from rigs import heic
from tests.odd_files.building import saved
from tests.odd_files.case import flag

AVIF = saved(flag((96, 64)), "AVIF", quality=95)


def box(data: bytes, name: bytes) -> bytes:
    at = data.index(name)
    return data[at + 4 : at - 4 + int.from_bytes(data[at - 4 : at], "big")]


def tile(number: int) -> Item:
    """The orange and blue picture of 96 x 64 as an item."""
    start = heic.UPRIGHT.index(b"mdat") + 4
    properties = ((b"hvcC", box(heic.UPRIGHT, b"hvcC")), (b"ispe", box(heic.UPRIGHT, b"ispe")))
    return Item(number, b"hvc1", heic.UPRIGHT[start:], properties)


def grid(rows: int, columns: int, width: int, height: int, is_repeated: bool = False) -> bytes:
    content = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    size = ((b"ispe", bytes(4) + struct.pack(">II", width, height)),)
    tiles = [tile(number) for number in range(rows * columns)]
    parts = tuple(each.number for each in tiles)
    item = Item(5000, b"grid", content, size, parts[:-1] + parts[:1] if is_repeated else parts)
    return write("HEIF", item.number, None, [*tiles, item])


def test_stream_says_its_size() -> None:
    start = heic.UPRIGHT.index(b"mdat") + 4
    assert hevc_size(box(heic.UPRIGHT, b"hvcC"), heic.UPRIGHT[start:]) == (96, 64)
    assert av1_size(box(AVIF, b"av1C"), AVIF[AVIF.index(b"mdat") + 4 :]) == (96, 64)
    assert av1_size(bytes(4), b"") is None
    assert hevc_size(bytes(23), b"") is None


@pytest.mark.parametrize("data", [AVIF, heic.UPRIGHT], ids=["avif", "heic"])
def test_container_that_lies_about_its_size_is_not_believed(data: bytes) -> None:
    at = data.index(b"ispe") + 8
    lie = data[:at] + struct.pack(">II", 2, 2) + data[at + 8 :]
    photo = read(lie, 384)
    assert (photo.width, photo.height) == photo.picture.size == (96, 64)
    with pytest.raises(PhotoError) as refusal:
        read(lie, 384, max_pixels=1000)
    assert refusal.value.code == "TOO_MANY_PIXELS"


def test_avif_without_a_size_or_with_an_empty_exif_is_a_photo() -> None:
    assert read(AVIF.replace(b"ispe", b"free"), 384).width == 96
    exif = saved(flag((96, 64)), "AVIF", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")
    assert read(exif, 384).width == 96


def test_tiles_make_one_picture() -> None:
    photo = read(grid(2, 3, 270, 120), 384)
    assert photo.picture.size == (photo.width, photo.height) == (270, 120)
    for left in (0, 96, 192):
        assert photo.picture.getpixel((left + 10, 74))[2] > 150  # type: ignore[index]
        assert photo.picture.getpixel((left + 60, 74))[0] > 150  # type: ignore[index]


def test_grid_that_says_more_than_its_tiles_hold_is_corrupt() -> None:
    with pytest.raises(PhotoError, match="the grid says 400 x 64 pixels, its tiles hold 192 x 64"):
        read(grid(1, 2, 400, 64), 384)


def test_tiles_count_as_what_they_hold_not_as_what_is_shown_of_them() -> None:
    with pytest.raises(PhotoError, match="TOO_MANY_PIXELS: 614400 pixels in all"):
        read(grid(10, 10, 96, 64), 384, max_pixels=100_000)


def test_tile_that_is_used_twice_is_refused() -> None:
    with pytest.raises(PhotoError, match="the same tile in several places"):
        read(grid(2, 2, 192, 128, is_repeated=True), 384)


def test_more_tiles_than_any_picture_has_are_refused() -> None:
    with pytest.raises(PhotoError, match="too many others"):
        read(grid(70, 70, 96, 64), 384)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_and_mirrorings_of_the_container_are_exifs_orientations(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(flag((96, 64)), "AVIF", exif=exif)
    assert iso.parse(data).orientation == orientation


def test_xmp_of_a_heif_turns_nothing() -> None:
    xmp = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    assert iso.parse(saved(flag((96, 64)), "AVIF", xmp=xmp)).orientation == 1
