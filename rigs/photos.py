"""Photos for the tests: real ones from DOGS_DATA (or ../shared/dogs), drawings otherwise."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOGS = Path(os.environ.get("DOGS_DATA") or ROOT.parent / "shared" / "dogs")


def require_dogs(split: str = "train") -> None:
    """For what measures nothing without real photos. Raises SystemExit: the words, and 1."""
    if not (DOGS / split).is_dir():
        raise SystemExit(f"error: {DOGS} holds no photos; set DOGS_DATA")


def dog_photos(count: int, split: str = "test") -> list[Path]:
    """`count` photos of as many breeds as possible, always the same; empty where there is no data.

    Folders are named as in dogImages, `001.Affenpinscher`.
    """
    breeds = sorted(path for path in (DOGS / split).glob("*") if path.is_dir())
    rounds = [sorted(breed.glob("*.jpg")) for breed in breeds]
    in_turn = [
        files[i] for i in range(max(map(len, rounds), default=0)) for files in rounds if files[i:]
    ]
    step = max(1, len(breeds) // count) if breeds else 1
    return (in_turn[::step] + in_turn)[:count]


def pictures(folder: Path, count: int) -> list[bytes]:
    """`count` different pictures as files' bytes: real photos if there are any, else drawings."""
    # Here, because the environment of jobs, in which some benchmarks run, lacks what it needs.
    from tours.demo import photos as demo_photos

    real = [path.read_bytes() for path in dog_photos(count)]
    if len(real) == count:
        return real
    return [path.read_bytes() for path in demo_photos.drawn(folder, count).files]


def breed_of(path: Path) -> str:
    """`Golden retriever` for a photo in the folder `074.Golden_retriever`."""
    return path.parent.name.partition(".")[2].replace("_", " ")
