"""Photos of three kinds that are told apart easily: what is no dog can be trained on too."""

from __future__ import annotations

import math
import random

from PIL import Image, ImageDraw


def draw(shape: str, name: str) -> Image.Image:
    """A bright circle, square or star somewhere on a dark, speckled ground."""
    rng = random.Random(f"{shape} {name}")
    picture = Image.new("RGB", (160, 160), tuple(rng.randrange(90) for _ in range(3)))
    pen = ImageDraw.Draw(picture)
    for _ in range(60):
        x, y = rng.randrange(160), rng.randrange(160)
        pen.point((x, y), fill=tuple(rng.randrange(256) for _ in range(3)))
    x, y, size = rng.randrange(60, 100), rng.randrange(60, 100), rng.randrange(30, 55)
    colour = tuple(rng.randrange(150, 256) for _ in range(3))
    box = (x - size, y - size, x + size, y + size)
    if shape == "circle":
        pen.ellipse(box, fill=colour)
    elif shape == "square":
        pen.rectangle(box, fill=colour)
    else:
        radii = [size if point % 2 else size / 2.6 for point in range(10)]
        pen.polygon(
            [
                (x + r * math.sin(p * math.pi / 5), y + r * math.cos(p * math.pi / 5))
                for p, r in enumerate(radii)
            ],
            fill=colour,
        )
    return picture
