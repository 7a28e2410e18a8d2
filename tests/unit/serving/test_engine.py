"""From bytes to outcomes: whose fault it is when a picture cannot be prepared."""

import asyncio
import math
import threading
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from serving.engine import Engine, Outcome
from serving.images import ImageError
from serving.model import Model, Prediction, load
from serving.settings import Settings
from tests.unit.serving.pictures import encoded, manifest_for, picture, write_package


def outcomes(folder: Path, photos: list[bytes]) -> list[Outcome]:
    """What one request with these photos gets."""
    write_package(folder)
    engine = Engine(load(folder), Settings(threads=1))
    try:
        sources = [partial(bytes, photo) for photo in photos]
        found, _ = asyncio.run(engine.classify(sources, until=math.inf))
        return found
    finally:
        engine.close()


def raising(error: Exception) -> Any:
    """A step that fails."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_after_the_warm_up_no_thread_is_new_and_every_lane_has_run_every_size() -> None:
    async def scenario() -> None:
        model = Remembering()
        engine = Engine(cast(Model, model), Settings(threads=3, max_batch=2))
        await engine.warm_up()
        wanted = {("predict", 1, True), ("warm_up", 1, True), ("warm_up", 1, False),
                  ("warm_up", 2, False)}  # fmt: skip
        warm = {thread: set(calls) for thread, calls in model.calls.items()}
        assert list(warm.values()) == [wanted] * 3
        photo = partial(bytes, encoded(picture(), "JPEG"))
        await asyncio.gather(*(engine.classify([photo], until=math.inf) for _ in range(12)))
        assert model.calls.keys() == warm.keys()
        engine.close()

    asyncio.run(scenario())


class Remembering:
    """A model that writes down in which thread it was called, and with how many pictures."""

    def __init__(self) -> None:
        self.manifest = manifest_for(b"")
        self.calls: defaultdict[int, list[tuple[str, int, bool]]] = defaultdict(list)

    def warm_up(self, count: int, *, alone: bool = False) -> None:
        self.calls[threading.get_ident()].append(("warm_up", count, alone))

    def predict(self, pictures: Sequence[Any], *, alone: bool) -> list[Prediction]:
        self.calls[threading.get_ident()].append(("predict", len(pictures), alone))
        return [Prediction("collie", 1.0, None, (("collie", 1.0),))] * len(pictures)


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


@pytest.mark.parametrize("step", ["serving.images.pixels", "serving.images.read_light"])
@pytest.mark.parametrize("fault", [MemoryError, TimeoutError, ChildProcessError])
def test_machines_fault_is_not_the_pictures(
    step: str, fault: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, raising(fault()))
    with pytest.raises(fault):
        outcomes(tmp_path, [encoded(picture(), "JPEG")])
