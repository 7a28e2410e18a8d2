"""From the bytes of a file to an upright sRGB picture, or a code with words."""

import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from photo_reader import MAX_PIXELS, Photo, PhotoError, read
from tests.odd_files import FORMATS, METADATA, MILD, PHOTO, VARIANTS
from tests.odd_files.building import saved
from tests.odd_files.case import BLUE, ORANGE

# As the doors ask for it: verify, the function, the endpoint with its usual backbone.
SIDES_PX = (128, 384, 512)


def refusal(data: bytes, least_px: int = 384, max_pixels: int = MAX_PIXELS) -> PhotoError:
    with pytest.raises(PhotoError) as found:
        read(data, least_px, max_pixels)
    return found.value


@pytest.mark.parametrize("name", [name for name, case in MILD.items() if case.code == PHOTO])
def test_odd_photo_comes_out_upright_in_its_colours(name: str) -> None:
    case = MILD[name]
    photo = read(case.make(), 384)
    assert (photo.width, photo.height) == case.size
    assert photo.picture.mode == "RGB"
    assert case.quarters is not None
    width, height = photo.picture.size
    for index, wanted in enumerate(case.quarters):
        across, down = width * (1 + 2 * (index % 2)) // 4, height * (1 + 2 * (index // 2)) // 4
        seen = photo.picture.getpixel((across, down))
        assert all(
            abs(a - b) <= case.within
            for a, b in zip(seen, wanted, strict=True)  # type: ignore[arg-type]
        ), (seen, wanted, index)


@pytest.mark.parametrize("name", [name for name, case in MILD.items() if case.code != PHOTO])
def test_file_that_is_no_photo_is_refused_by_its_code(name: str) -> None:
    assert refusal(MILD[name].make()).code == MILD[name].code


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


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_limit_of_pixels_is_the_callers(format_: str) -> None:
    data = saved(Image.new("L", (200, 100)), format_)
    assert refusal(data, max_pixels=19_999).code == "TOO_MANY_PIXELS"
    assert read(data, 384, max_pixels=20_000).width == 200


def test_cameras_that_are_called_50_megapixels_are_within_the_limit() -> None:
    assert max(8688 * 5792, 8160 * 6144) <= MAX_PIXELS


@pytest.mark.parametrize("lying", [False, True])
@pytest.mark.parametrize(("long", "cut"), [(16 * 20, False), (16 * 20 + 40, True)])
def test_strip_is_cut_to_sixteen_times_its_short_side_around_its_middle(
    long: int, cut: bool, lying: bool
) -> None:
    strip = Image.new("RGB", (long, 20), (128, 128, 128))
    strip.paste("white", (20, 0, long - 20, 20))
    if not lying:
        strip = strip.transpose(Image.Transpose.ROTATE_90)
    photo = read(saved(strip, "PNG"), 384)
    assert (photo.width, photo.height) == strip.size
    assert photo.picture.size == ((320, 20) if lying else (20, 320))
    assert (photo.picture.getextrema() == ((255, 255),) * 3) == cut


def test_panorama_keeps_its_centre() -> None:
    image = Image.new("RGB", (3000, 100), ORANGE)
    image.paste(BLUE, (1400, 0, 1600, 100))
    small = read(saved(image, "PNG"), 384).picture
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
    assert read(data[: int(len(data) * 0.97)], 384).width == 1600
    for share in (0.05, 0.5, 0.8):
        assert refusal(data[: int(len(data) * share)]).code == "TRUNCATED"


@pytest.mark.parametrize("size", [(1001, 777), (300, 257), (900, 401)], ids=str)
def test_cut_jpeg_is_judged_alike_at_every_size_that_is_asked_for(size: tuple[int, int]) -> None:
    data = saved(photograph(size), "JPEG", quality=85)

    def judged(share: float, least_px: int) -> str:
        try:
            read(data[: int(len(data) * share)], least_px)
        except PhotoError as error:
            return str(error)
        return PHOTO

    for step in range(30, 95, 2):
        assert len({judged(step / 100, side) for side in SIDES_PX}) == 1, step


def test_grey_photo_that_is_whole_is_not_taken_for_a_cut_one() -> None:
    assert read(saved(Image.new("RGB", (600, 600), (128,) * 3), "JPEG"), 384).width == 600


def test_progressive_jpeg_with_all_rows_in_coarse_is_a_photo() -> None:
    # Its first scan holds the whole picture, later ones refine it: half of the file is no half
    # picture
    data = saved(photograph(), "JPEG", quality=85, progressive=True)
    assert read(data[: len(data) // 2], 384).width == 1600
    assert refusal(data[: len(data) // 50]).code == "TRUNCATED"


CUT = {
    name: case
    for name, case in (FORMATS | VARIANTS).items()
    if case.code == PHOTO and not name.startswith(("jpeg", "mpo"))
}


@pytest.mark.parametrize("name", CUT)
def test_other_format_cut_in_half_is_refused(name: str) -> None:
    data = CUT[name].make()
    # Of several pictures in a file the first one counts.
    parts = 10 if name in ("gif animated", "apng", "webp animated", "tiff pages") else 2
    assert refusal(data[: len(data) // parts]).code in ("TRUNCATED", "CORRUPT")


FILES = {
    name: case.make()
    for name, case in (FORMATS | VARIANTS | METADATA).items()
    if name in FORMATS or name in VARIANTS or "held as 6" in name or " in " in name
}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.randoms(use_true_random=False), st.integers(1, 30))
def test_damaged_file_is_a_photo_or_a_reason_never_anything_else(
    name: str, rng: random.Random, hits: int
) -> None:
    data = bytearray(FILES[name])
    for _ in range(hits):
        data[rng.randrange(len(data))] = rng.randrange(256)
    # Any other exception than the reader's own ends the test.
    with contextlib.suppress(PhotoError):
        photo: Photo = read(bytes(data), 384, max_pixels=1_000_000)
        assert photo.width * photo.height <= 1_000_000
