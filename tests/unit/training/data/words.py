"""Histories of reviews and photos without pictures, for the tests of made versions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.data.candidates import Photo, Reviewed
from training.data.reviewed import BasePhoto
from training.data.reviews import Opinion, opinions

Json = dict[str, Any]
BREEDS = ("Beagle", "Pug")


def entry(
    key: str = "uploads/a.jpg",
    verdict: str = "RIGHT",
    breed: str | None = None,
    by: str = "ann",
    at: int = 1,
    version: str = "0A",
    **more: Any,
) -> Json:
    """An item of the reviews table; `at` are minutes. The model said Beagle."""
    stamp = f"2026-11-26T{at // 60:02}:{at % 60:02}:00.000000Z"
    item: Json = {
        "image_key": key,
        "review_id": f"{stamp}#{by}",
        "version": version,
        "version_id": "v1",
        "verdict": verdict,
        "by": f"{by}@example.com",
        "by_id": by,
        "at": stamp,
        "answer": {"status": "CLASSIFIED", "breed": "Beagle"},
    }
    return item | ({"breed": breed} if breed else {}) | more


def row(key: str = "uploads/a.jpg", sample: bool = False, version: str = "0A", **more: Any) -> Json:
    item: Json = {"image_key": key, "sequencer": version, "status": "CLASSIFIED", "etag": "e"}
    return item | ({"sample": True} if sample else {}) | more


def photo(content: str, like: str | None = None) -> Photo:
    """A photo that looks like no other, but for those of the same `like`."""
    prints = [hashlib.sha256(f"{side}{like or content}".encode()).digest() for side in "lr"]
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return Photo(Path(content), sha256, (prints[0], prints[1]))


def base() -> list[BasePhoto]:
    """Two classes with three, one and one photos; their folders have an index."""
    return [
        BasePhoto(
            f"{split}/{index:03}.{label}/{number}.jpg", label, photo(f"{split}{label}{number}")
        )
        for index, label in enumerate(BREEDS)
        for split, count in (("train", 3), ("valid", 1), ("test", 1))
        for number in range(count)
    ]


def with_photos(
    reviews: list[Json], rows: list[Json], photos: Mapping[str, Photo] | None = None
) -> list[Reviewed]:
    """Each version of a key with a photo of its own, or the one that `photos` has for the key."""

    def of(opinion: Opinion) -> Photo:
        return (photos or {}).get(opinion.key) or photo(f"{opinion.key} {opinion.version}")

    return [Reviewed(opinion, of(opinion)) for opinion in opinions(reviews, rows)]
