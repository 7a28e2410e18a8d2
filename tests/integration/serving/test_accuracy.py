"""The starter model on real photos, through the real serving process.

The photos descend from ImageNet, whose training part the backbone has seen: this shows that labels
and preprocessing are right, not how well the model does on photos it has never seen.
"""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import httpx
import pytest

from rigs.hosts import Container, uvicorn_host
from rigs.photos import DOGS, breed_of
from rigs.requests import batch
from tours.demo.photos import drawn
from training.network.breeds import breed_labels

PHOTOS_A_BREED = 2


@pytest.mark.skipif(not (DOGS / "test").is_dir(), reason="needs the dog photos (DOGS_DATA)")
def test_photos_of_known_breeds_are_named_right(new_container: Callable[[], Container]) -> None:
    folders = sorted(path for path in (DOGS / "test").iterdir() if path.is_dir())
    photos = [
        photo for one in folders for photo in islice(sorted(one.glob("*.jpg")), PHOTOS_A_BREED)
    ]
    known = [photo for photo in photos if breed_of(photo) in breed_labels()]
    assert len(known) == 117 * PHOTOS_A_BREED

    answers = []
    with (
        uvicorn_host(new_container()) as host,
        httpx.Client(base_url=host.url, timeout=60, trust_env=False) as client,
    ):
        for start in range(0, len(known), 10):
            body = batch(*(photo.read_bytes() for photo in known[start : start + 10]))
            answers += client.post("/invocations", json=body).json()["predictions"]

    truth = [breed_of(photo) for photo in known]
    first = sum(answer["label"] == breed for answer, breed in zip(answers, truth, strict=True))
    top5 = sum(
        breed in [entry["label"] for entry in answer["top"]]
        for answer, breed in zip(answers, truth, strict=True)
    )
    print(f"top-1 {first / len(known):.1%}, top-5 {top5 / len(known):.1%}, n={len(known)}")
    assert first / len(known) >= 0.80
    assert top5 / len(known) >= 0.95


def test_drawn_dogs_are_taken_for_dogs_and_patterns_are_not(
    new_container: Callable[[], Container], tmp_path: Path
) -> None:
    """So that a demo without photos has breeds to show, and its tests breeds to query."""
    files = drawn(tmp_path, 8).files
    with (
        uvicorn_host(new_container()) as host,
        httpx.Client(base_url=host.url, timeout=60, trust_env=False) as client,
    ):
        body = batch(*(file.read_bytes() for file in files))
        answers = client.post("/invocations", json=body).json()["predictions"]

    labels = [answer["label"] for answer in answers]
    assert labels == (["Komondor"] * 3 + [None]) * 2
