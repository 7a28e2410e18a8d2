"""Photos of 12 megapixels for the function's benchmarks: drawn, or real ones enlarged."""

import io
import random
from collections.abc import Iterator

from PIL import Image, ImageDraw, ImageFilter

from rigs.photos import DOGS

SIZE = (4032, 3024)  # 12 megapixels, as phones take them


def drawn(seed: int) -> Image.Image:
    """Noise of several grains, smoothed, with shapes: as many bytes a pixel as a photo."""
    rng = random.Random(seed)
    image = _noise(rng, (16, 12))
    for grains, share in (((252, 189), 0.4), ((1008, 756), 0.25), (SIZE, 0.06)):
        image = Image.blend(image, _noise(rng, grains), share)
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        x, y = rng.randrange(SIZE[0]), rng.randrange(SIZE[1])
        box = (x, y, x + rng.randrange(20, 700), y + rng.randrange(20, 500))
        draw.ellipse(box, fill=tuple(rng.randbytes(3)))
    return image.filter(ImageFilter.GaussianBlur(1))


def _noise(rng: random.Random, size: tuple[int, int]) -> Image.Image:
    small = Image.frombytes("RGB", size, rng.randbytes(size[0] * size[1] * 3))
    return small.resize(SIZE, Image.Resampling.BICUBIC)


def dogs(count: int) -> Iterator[Image.Image]:
    """Real photos, enlarged: their edges are softer than a camera's. None without DOGS_DATA."""
    breeds = sorted((DOGS / "test").glob("*"))
    for breed in breeds[:: max(1, len(breeds) // count)][:count]:
        with Image.open(next(breed.glob("*.jpg"))) as photo:
            yield photo.convert("RGB").resize(SIZE, Image.Resampling.BICUBIC)


def jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=92)
    return file.getvalue()
