"""The photos that all servers get."""

import io

import numpy as np
from PIL import Image

from rigs.photos import DOGS

SEED = 0


def sample_photos() -> tuple[list[bytes], str]:
    """A hundred encoded photos and where they come from."""
    paths = sorted((DOGS / "test").glob("*/*.jpg"))[::8][:100]
    if paths:
        return [path.read_bytes() for path in paths], "dog photos (DOGS_DATA), 224 x 224 JPEG"
    generator = np.random.default_rng(SEED)
    encoded = []
    for _ in range(100):
        buffer = io.BytesIO()
        noise = Image.fromarray(generator.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        noise.resize((224, 224), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        encoded.append(buffer.getvalue())
    return encoded, "generated pictures, 224 x 224 JPEG"
