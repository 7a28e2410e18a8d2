"""From bytes to outcomes: whose fault it is when a picture cannot be prepared."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from serving.engine import Engine, Outcome
from serving.images import ImageError
from serving.model import Prediction, load
from serving.settings import Settings
from tests.unit.serving.pictures import encoded, picture, write_package


def outcomes(folder: Path, photos: list[bytes]) -> list[Outcome]:
    """What one request with these photos gets."""
    write_package(folder)
    engine = Engine(load(folder), Settings(threads=1))
    try:
        found, _ = asyncio.run(engine.classify([partial(bytes, photo) for photo in photos]))
        return found
    finally:
        engine.close()


def raising(error: Exception) -> Any:
    """A step that fails."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_bad_picture_fails_alone(tmp_path: Path) -> None:
    good = encoded(picture(), "JPEG")
    first, bad, last = outcomes(tmp_path, [good, b"text", good])
    assert isinstance(first, Prediction)
    assert first == last
    assert isinstance(bad, ImageError)
    assert bad.code == "NOT_AN_IMAGE"


def test_picture_that_breaks_preparation_is_corrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.images.pixels", raising(ValueError("unforeseen")))
    (bad,) = outcomes(tmp_path, [encoded(picture(), "JPEG")])
    assert isinstance(bad, ImageError)
    assert bad.code == "CORRUPT"


@pytest.mark.parametrize("step", ["serving.images.pixels", "serving.images.read"])
@pytest.mark.parametrize("fault", [MemoryError, TimeoutError])
def test_machines_fault_is_not_the_pictures(
    step: str, fault: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, raising(fault()))
    with pytest.raises(fault):
        outcomes(tmp_path, [encoded(picture(), "JPEG")])
