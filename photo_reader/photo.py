"""What comes out of the reader."""

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Photo:
    """`picture` is upright sRGB in mode RGB; width and height are the original's, upright."""

    picture: Image.Image
    width: int
    height: int
