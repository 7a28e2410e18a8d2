"""The small JPEG that goes to the endpoint: its bounds, its middle, and what it does not carry."""

import io

import pytest
from PIL import Image, ImageCms

from photo_reader.wire_copy import wire_copy

BLUE, ORANGE = (20, 60, 200), (200, 120, 40)


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(wire_copy(data).jpeg))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4032, 3024), (512, 384)),
        ((3024, 4032), (384, 512)),
        ((800, 800), (384, 384)),
        ((384, 384), (384, 384)),
        ((100, 60), (100, 60)),
        ((1, 1), (1, 1)),
        ((3000, 100), (400, 100)),
        ((100, 3000), (100, 400)),
        ((8000, 1000), (1536, 384)),
        ((60000, 1), (4, 1)),
    ],
)
@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_size_is_bounded_and_never_enlarged(
    format_: str, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    copy = wire_copy(saved(Image.new("RGB", size), format_))
    assert Image.open(io.BytesIO(copy.jpeg)).size == expected
    assert (copy.width, copy.height) == size


def test_panorama_keeps_its_centre() -> None:
    image = Image.new("RGB", (3000, 100), ORANGE)
    image.paste(BLUE, (1400, 0, 1600, 100))
    small = opened(saved(image, "PNG"))
    assert small.getpixel((small.width // 2, 50))[2] > 150  # type: ignore[index]


def test_nothing_but_the_picture_reaches_the_copy() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    image = opened(saved(Image.new("RGB", (96, 64)), "JPEG", icc_profile=profile, exif=exif))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert "icc_profile" not in image.info
    assert not image.getexif()
