"""Every accepted format comes out as a small upright RGB JPEG with the right colours."""

import contextlib
import random
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw

from photo_reader import PhotoError, read
from tests.odd_files import heic
from tests.unit.photo_reader.files import BLUE, ORANGE, WHITE, flag, picture, saved


def opened(data: bytes) -> Image.Image:
    picture = read(data, 384).picture
    assert picture.mode == "RGB"
    return picture


def corner_colours(image: Image.Image) -> list[tuple[int, int, int]]:
    """Top left, top right, bottom left, bottom right."""
    right, bottom = image.width - 6, image.height - 6
    spots = [(5, 5), (right, 5), (5, bottom), (right, bottom)]
    return [image.getpixel(spot) for spot in spots]  # type: ignore[misc]


def assert_colours(image: Image.Image, *expected: tuple[int, int, int], within: int = 12) -> None:
    for seen, wanted in zip(corner_colours(image), expected, strict=True):
        assert all(abs(a - b) <= within for a, b in zip(seen, wanted, strict=True)), (seen, wanted)


def adobe_cmyk() -> bytes:
    # Pillow writes CMYK as Adobe does: inverted, with the APP14 marker
    return saved(flag().convert("CMYK"), "JPEG", quality=95)


def mpo() -> bytes:
    return saved(flag(), "MPO", save_all=True, append_images=[Image.new("RGB", (96, 64), "red")])


def frames(format_: str) -> bytes:
    others = [Image.new("RGB", (96, 64), "red"), Image.new("RGB", (96, 64), "green")]
    return saved(flag(), format_, save_all=True, append_images=others, duration=50)


def tiff(mode: str = "RGB", **options: object) -> bytes:
    return saved(flag().convert(mode), "TIFF", **options)


def flag_of_alpha() -> Image.Image:
    """Blue quarter, the rest transparent with black beneath it."""
    image = Image.new("RGBA", (96, 64), (0, 0, 0, 0))
    image.paste((*BLUE, 255), (0, 0, 48, 32))
    return image


def palette_with_transparency() -> bytes:
    image = flag().convert("P", palette=Image.Palette.ADAPTIVE)
    return saved(image, "PNG", transparency=image.getpixel((90, 60)))


COLOURED = {
    "jpeg": picture("JPEG", (96, 64)),
    "jpeg progressive": picture("JPEG", (96, 64), progressive=True),
    "jpeg cmyk adobe": adobe_cmyk(),
    "mpo": mpo(),
    "png": picture("PNG", (96, 64)),
    "png palette": saved(flag().convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
    "webp": picture("WEBP", (96, 64)),
    "webp lossless": picture("WEBP", (96, 64), lossless=True),
    "webp animated": frames("WEBP"),
    "gif": picture("GIF", (96, 64)),
    "gif animated": frames("GIF"),
    "apng": frames("PNG"),
    "bmp": picture("BMP", (96, 64)),
    "tiff": tiff(),
    "tiff lzw": tiff(compression="tiff_lzw"),
    "tiff jpeg": tiff(compression="jpeg"),
    "tiff cmyk": tiff("CMYK"),
    "tiff pages": frames("TIFF"),
    "avif": picture("AVIF", (96, 64)),
    "heic": heic.UPRIGHT,
}


@pytest.mark.parametrize("name", COLOURED)
def test_coloured_picture_of_any_format_keeps_its_colours(name: str) -> None:
    image = opened(COLOURED[name])
    assert image.size == (96, 64)
    assert_colours(image, BLUE, ORANGE, ORANGE, ORANGE, within=20)


TRANSPARENT = {
    "png rgba": saved(flag_of_alpha(), "PNG"),
    "webp rgba": saved(flag_of_alpha(), "WEBP", lossless=True),
    "tiff rgba": saved(flag_of_alpha(), "TIFF"),
    "avif rgba": saved(flag_of_alpha(), "AVIF", quality=95),
    "gif transparent": saved(flag_of_alpha(), "GIF"),
    "png palette transparent": palette_with_transparency(),
    "png rgb transparent colour": saved(flag(), "PNG", transparency=ORANGE),
}


@pytest.mark.parametrize("name", TRANSPARENT)
def test_transparent_parts_come_out_white(name: str) -> None:
    assert_colours(opened(TRANSPARENT[name]), BLUE, WHITE, WHITE, WHITE, within=20)


def grey_steps(mode: str, dark: float, light: float) -> Image.Image:
    """Left half `dark`, right half `light`, in a wide mode."""
    image = Image.new(mode, (96, 64), light)
    image.paste(Image.new(mode, (48, 64), dark), (0, 0))
    return image


GREY = {
    "png 16 bit": saved(grey_steps("I;16", 0x4000, 0xC000), "PNG"),
    "tiff 16 bit": saved(grey_steps("I;16", 0x4000, 0xC000), "TIFF"),
    "tiff 16 bit big endian": saved(grey_steps("I;16B", 0x4000, 0xC000), "TIFF", compression=None),
    "tiff 32 bit": saved(grey_steps("I", 0x4000, 0xC000), "TIFF"),
    "tiff float": saved(grey_steps("F", 0.25, 0.75), "TIFF"),
    "png 8 bit": saved(grey_steps("L", 0x40, 0xC0), "PNG"),
    "jpeg grey": saved(grey_steps("L", 0x40, 0xC0), "JPEG", quality=95),
    "png grey alpha": saved(grey_steps("L", 0x40, 0xC0).convert("LA"), "PNG"),
}


@pytest.mark.parametrize("name", GREY)
def test_grey_picture_of_any_depth_is_scaled_not_clipped(name: str) -> None:
    dark, light = (0x40,) * 3, (0xC0,) * 3
    assert_colours(opened(GREY[name]), dark, light, dark, light)


def test_one_bit_picture_is_black_and_white() -> None:
    image = opened(saved(grey_steps("L", 0, 255).convert("1"), "PNG"))
    assert_colours(image, (0, 0, 0), WHITE, (0, 0, 0), WHITE)


def test_sixteen_bit_colour_png_keeps_its_colours() -> None:
    # Pillow writes no 16-bit RGB: the file is put together here
    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    rows = []
    source = flag()
    for y in range(64):
        values = [c * 257 for x in range(96) for c in source.getpixel((x, y))]  # type: ignore[union-attr]
        rows.append(b"\0" + struct.pack(f">{len(values)}H", *values))
    head = struct.pack(">IIBBBBB", 96, 64, 16, 2, 0, 0, 0)
    body = (
        chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
    )
    assert_colours(opened(b"\x89PNG\r\n\x1a\n" + body), BLUE, ORANGE, ORANGE, ORANGE)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_any_exif_orientation_comes_out_upright(format_: str, orientation: int) -> None:
    # GIVEN the flag as a camera held that way stores it
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    held = flag().transpose(undo[orientation]) if orientation in undo else flag()
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if format_ in ("JPEG", "WEBP", "AVIF") else {}
    photo = read(saved(held, format_, exif=exif, **options), 384)
    # THEN it is upright, and so are its width and height
    assert (photo.width, photo.height) == (96, 64)
    assert_colours(photo.picture, BLUE, ORANGE, ORANGE, ORANGE, within=25)


def test_turned_heic_comes_out_upright_once() -> None:
    photo = read(heic.TURNED, 384)
    assert (photo.width, photo.height) == (64, 96)
    assert_colours(photo.picture, ORANGE, BLUE, ORANGE, ORANGE, within=25)


@pytest.mark.parametrize("value", [0, 9, 255, 65535])
def test_orientation_out_of_range_is_taken_as_upright(value: object) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert opened(saved(flag(), "JPEG", exif=exif)).size == (96, 64)


def test_broken_exif_does_not_cost_the_photo() -> None:
    data = saved(flag(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffgarbage")
    assert opened(data).size == (96, 64)


@pytest.mark.parametrize(
    ("size", "shortest", "longest"),
    [
        ((4032, 3024), 384, 1512),
        ((3024, 4032), 384, 1512),
        ((800, 800), 384, 800),
        ((100, 60), 60, 60),
        ((1, 1), 1, 1),
        ((3000, 100), 100, 100),
        ((60000, 1), 1, 1),
        ((1, 60000), 1, 1),
    ],
)
@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_size_is_bounded_and_never_enlarged(
    format_: str, size: tuple[int, int], shortest: int, longest: int
) -> None:
    photo = read(saved(Image.new("RGB", size), format_), 384)
    assert shortest <= min(photo.picture.size) <= longest
    assert max(photo.picture.size) <= 16 * min(photo.picture.size)
    assert (photo.width, photo.height) == size


def test_panorama_keeps_its_centre() -> None:
    image = Image.new("RGB", (3000, 100), ORANGE)
    image.paste(BLUE, (1400, 0, 1600, 100))
    small = opened(saved(image, "PNG"))
    assert small.getpixel((small.width // 2, 50))[2] > 150  # type: ignore[index]


def photograph(size: tuple[int, int] = (1600, 1200)) -> Image.Image:
    """Smooth noise and shapes: a JPEG of it has a photo's share of bytes in every row."""
    rng = random.Random(7)
    noise = Image.frombytes("RGB", (80, 60), rng.randbytes(80 * 60 * 3))
    image = noise.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = rng.randrange(size[0]), rng.randrange(size[1])
        draw.ellipse((x, y, x + 90, y + 60), fill=tuple(rng.randbytes(3)))
    return image


@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 4}], ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_cut_near_its_end_is_a_photo_and_cut_early_is_not(
    mode: str, options: dict[str, int]
) -> None:
    data = saved(photograph().convert(mode), "JPEG", quality=85, **options)
    assert opened(data[: int(len(data) * 0.97)]).size == (800, 600)
    for share in (0.05, 0.5, 0.8):
        with pytest.raises(PhotoError) as refusal:
            read(data[: int(len(data) * share)], 384)
        assert refusal.value.code == "TRUNCATED"


def test_jpeg_without_its_end_marker_is_a_photo() -> None:
    assert opened(picture()[:-2]).size == (60, 40)


def test_grey_photo_that_is_whole_is_not_taken_for_a_cut_one() -> None:
    assert opened(saved(Image.new("RGB", (600, 600), (128, 128, 128)), "JPEG")).size == (600, 600)


def test_progressive_jpeg_with_all_rows_in_coarse_is_a_photo() -> None:
    # Its first scan holds the whole picture, later ones refine it: half of the file is no half
    # picture
    data = saved(photograph(), "JPEG", quality=85, progressive=True)
    assert opened(data[: len(data) // 2]).size == (800, 600)
    with pytest.raises(PhotoError):
        read(data[: len(data) // 50], 384)


@pytest.mark.parametrize(
    "name", [name for name in COLOURED if "jpeg" not in name and name != "mpo"]
)
def test_other_format_cut_in_half_is_refused(name: str) -> None:
    data = COLOURED[name]
    if name in ("gif animated", "apng", "webp animated", "tiff pages"):
        data = data[: len(data) // 5]
    with pytest.raises(PhotoError) as refusal:
        read(data[: len(data) // 2], 384)
    assert refusal.value.code in ("TRUNCATED", "CORRUPT")


def test_profile_in_the_file_does_not_reach_the_copy() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    image = opened(saved(flag(), "JPEG", icc_profile=profile, exif=exif))
    assert "icc_profile" not in image.info
    assert not image.getexif()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(COLOURED)), st.randoms(use_true_random=False), st.integers(1, 30))
def test_damaged_file_is_a_photo_or_a_reason_never_anything_else(
    name: str, rng: random.Random, hits: int
) -> None:
    data = bytearray(COLOURED[name])
    for _ in range(hits):
        data[rng.randrange(len(data))] = rng.randrange(256)
    # Any other exception than the function's own ends the test.
    with contextlib.suppress(PhotoError):
        photo = read(bytes(data), 384, max_pixels=1_000_000)
        assert photo.width * photo.height <= 1_000_000
