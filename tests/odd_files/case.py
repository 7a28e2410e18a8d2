"""What a file of the corpus is: how it is made, and what every door must answer."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

Colour = tuple[int, int, int]
# The centres of the four quarters: top left, top right, bottom left, bottom right.
Quarters = tuple[Colour, Colour, Colour, Colour]

BLUE, ORANGE, WHITE, BLACK = (20, 60, 200), (200, 120, 40), (255, 255, 255), (0, 0, 0)
FLAG: Quarters = (BLUE, ORANGE, ORANGE, ORANGE)
ON_WHITE: Quarters = (BLUE, WHITE, WHITE, WHITE)
DARK, LIGHT = (0x40,) * 3, (0xC0,) * 3
STEPS: Quarters = (DARK, LIGHT, DARK, LIGHT)
SIZE = (96, 64)

PHOTO = "PHOTO"
CORRUPT, TRUNCATED, EMPTY = "CORRUPT", "TRUNCATED", "EMPTY"
TOO_MANY, UNSUPPORTED, NOT_AN_IMAGE = "TOO_MANY_PIXELS", "UNSUPPORTED_FORMAT", "NOT_AN_IMAGE"


@dataclass(frozen=True)
class Case:
    """`code` is PHOTO or the refusal's; of a photo, `size` is the original's, upright, and
    `quarters` are its colours in sRGB, each channel `within` so many of 255 (None: not looked at).
    """

    make: Callable[[], bytes]
    code: str = PHOTO
    size: tuple[int, int] | None = SIZE
    quarters: Quarters | None = FLAG
    within: int = 12


def refused(make: Callable[[], bytes], code: str) -> Case:
    return Case(make, code, None, None)


def flag(size: tuple[int, int] = SIZE, blue: Colour = BLUE, orange: Colour = ORANGE) -> Image.Image:
    """Orange with a blue top left quarter."""
    image = Image.new("RGB", size, orange)
    image.paste(blue, (0, 0, size[0] // 2, size[1] // 2))
    return image


def steps(mode: str, dark: float, light: float) -> Image.Image:
    """Left half `dark`, right half `light`, in any mode of one band."""
    image = Image.new(mode, SIZE, light)
    image.paste(Image.new(mode, (SIZE[0] // 2, SIZE[1]), dark), (0, 0))
    return image
