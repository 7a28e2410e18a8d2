"""A data set of drawn shapes, in the layout of a data channel."""

import random
from pathlib import Path

from PIL import Image, ImageDraw

CLASSES = ("001.Red_box", "002.Blue_disc", "003.Green_bars")
COUNTS = {"train": 8, "valid": 4, "test": 4}


def draw_data_set(root: Path) -> Path:
    """Three classes that any backbone tells apart; always the same files."""
    choose = random.Random(0)
    for split, count in COUNTS.items():
        for number, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                shape(number, choose).save(folder / f"{index}.jpg")
    return root


def shape(number: int, choose: random.Random) -> Image.Image:
    """One picture of a class, on a ground of any colour."""
    ground = tuple(choose.randint(90, 200) for _ in range(3))
    image = Image.new("RGB", (96, 80), ground)
    draw = ImageDraw.Draw(image)
    left, top = choose.randint(5, 40), choose.randint(5, 30)
    if number == 0:
        draw.rectangle((left, top, left + 40, top + 40), fill=(200, 30, 30))
    elif number == 1:
        draw.ellipse((left, top, left + 40, top + 40), fill=(30, 30, 200))
    else:
        for x in range(choose.randint(0, 8), 96, 16):
            draw.rectangle((x, 0, x + 7, 80), fill=(30, 160, 30))
    return image
