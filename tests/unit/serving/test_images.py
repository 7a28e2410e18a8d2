"""One image of a request: what the reader says of it, in the endpoint's terms."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from photo_reader import read
from serving.images import ImageError, decode
from serving.preprocess import pixels
from tests.unit.serving.pictures import SPEC, encoded, picture


def refusal(data: bytes, max_pixels: int = 1_000_000) -> ImageError:
    with pytest.raises(ImageError) as found:
        decode(data, SPEC, max_pixels)
    return found.value


def test_image_becomes_the_pixels_of_what_the_reader_reads() -> None:
    data = encoded(picture(), "JPEG")
    expected = pixels(read(data, 512).picture, SPEC)
    assert np.array_equal(decode(data, SPEC, 1_000_000), expected)


def test_readers_code_and_words_are_the_images() -> None:
    error = refusal(b"hello")
    assert error.code == "NOT_AN_IMAGE"
    assert error.message == "the bytes are those of no image format known here"


def test_limit_of_pixels_is_the_settings() -> None:
    data = encoded(Image.new("L", (2000, 1000)), "PNG")
    assert refusal(data, max_pixels=1_999_999).code == "TOO_MANY_PIXELS"
    assert decode(data, SPEC, 2_000_000).shape == (224, 224, 3)


def test_photo_is_read_at_twice_the_size_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def look(data: bytes, least_px: int, max_pixels: int) -> Any:
        asked.append(least_px)
        return read(data, least_px, max_pixels)

    monkeypatch.setattr("serving.images.read", look)
    decode(encoded(picture(), "JPEG"), SPEC, 1_000_000)
    assert asked == [512]


@pytest.mark.parametrize(
    "fault", [MemoryError(), TimeoutError("the machine is busy"), ChildProcessError("no process")]
)
def test_machines_fault_is_no_judgement_on_the_image(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr("serving.images.read", fail)
    with pytest.raises(type(fault)):
        decode(encoded(picture(), "JPEG"), SPEC, 1_000_000)
