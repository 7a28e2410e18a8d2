"""Generated photos and folders for the tests of training.data."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def photo(seed: int, size: tuple[int, int] = (96, 80)) -> Image.Image:
    """A picture with structure that no other seed's picture has."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(seed: int) -> bytes:
    return encoded(photo(seed))


def write_files(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write each file below `root` and return that."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def small_set(per_class: Mapping[str, int] | None = None) -> dict[str, bytes]:
    """Two classes in three splits: 12 / 2 / 2 different photos each."""
    counts = per_class or {"train": 12, "valid": 2, "test": 2}
    files = {}
    seed = 0
    for folder in ("001.Beagle", "002.Golden_retriever"):
        for split, count in counts.items():
            for number in range(count):
                files[f"{split}/{folder}/{number:02}.jpg"] = jpeg(seed)
                seed += 1
    return files
