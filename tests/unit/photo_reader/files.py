"""Small pictures as files of any format, for the tests of the reader."""

import io

from PIL import Image

BLUE, ORANGE, WHITE = (20, 60, 200), (200, 120, 40), (255, 255, 255)


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def flag(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Orange with a blue top left quarter."""
    image = Image.new("RGB", size, ORANGE)
    image.paste(BLUE, (0, 0, size[0] // 2, size[1] // 2))
    return image


def picture(format_: str = "JPEG", size: tuple[int, int] = (60, 40), **options: object) -> bytes:
    """The flag as a file."""
    return saved(flag(size), format_, **options)
