"""Drawn pictures of dogs: no photo of anybody's needs to be in the repository."""

from __future__ import annotations

import io
import random
from functools import cache

from PIL import Image, ImageDraw

COATS = ["#c9935a", "#5b4636", "#e6d5b8", "#2f2c2a", "#a65f33", "#8d8d8d"]
LAWNS = ["#8fae7b", "#b8c9d6", "#d8c8a8", "#7d93a8", "#c7a9a0", "#94a89a"]


@cache
def dog(seed: int, width: int, height: int) -> bytes:
    """A JPEG of a dog's face, another one for every seed."""
    chance = random.Random(seed)
    image = Image.new("RGB", (width, height), chance.choice(LAWNS))
    draw = ImageDraw.Draw(image)
    coat = chance.choice(COATS)
    size = min(width, height) * chance.uniform(0.5, 0.7)
    x, y = width / 2, height / 2
    for side in (-1, 1):
        ear = x + side * size * 0.42
        draw.ellipse((ear - size * 0.16, y - size * 0.5, ear + size * 0.16, y + size * 0.15), coat)
    draw.ellipse((x - size * 0.42, y - size * 0.45, x + size * 0.42, y + size * 0.5), coat)
    draw.ellipse((x - size * 0.2, y + size * 0.02, x + size * 0.2, y + size * 0.42), "#efe4d2")
    draw.ellipse((x - size * 0.09, y + size * 0.05, x + size * 0.09, y + size * 0.18), "#1c1a19")
    for side in (-1, 1):
        eye = x + side * size * 0.17
        draw.ellipse(
            (eye - size * 0.05, y - size * 0.14, eye + size * 0.05, y - size * 0.04), "#1c1a19"
        )
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()
