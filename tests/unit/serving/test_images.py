"""One image of a request: what the reader says of it, in the endpoint's terms."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from photo_reader import read
from serving.images import ImageError, Slow, decode, decode_slow
from serving.preprocess import pixels
from tests.unit.serving.pictures import SPEC, encoded, picture


def refusal(data: bytes, max_pixels: int = 1_000_000) -> ImageError:
    with pytest.raises(ImageError) as found:
        decode(data, SPEC, max_pixels)
    return found.value


def test_image_becomes_the_pixels_of_what_the_reader_reads() -> None:
    data = encoded(picture(), "JPEG")
    expected = pixels(read(data, 512).picture, SPEC)
    found = decode(data, SPEC, 1_000_000)
    assert isinstance(found, np.ndarray)
    assert np.array_equal(found, expected)


def test_readers_code_and_words_are_the_images() -> None:
    error = refusal(b"hello")
    assert error.code == "NOT_AN_IMAGE"
    assert error.message == "the bytes are those of no image format known here"


def test_limit_of_pixels_is_the_settings() -> None:
    data = encoded(Image.new("L", (2000, 1000)), "PNG")
    assert refusal(data, max_pixels=1_999_999).code == "TOO_MANY_PIXELS"
    assert isinstance(decode(data, SPEC, 2_000_000), np.ndarray)


def test_photo_is_read_at_twice_the_size_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def look(data: bytes, least_px: int, max_pixels: int) -> Any:
        asked.append(least_px)
        return read(data, least_px, max_pixels)

    monkeypatch.setattr("serving.images.read_light", look)
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

    monkeypatch.setattr("serving.images.read_light", fail)
    with pytest.raises(type(fault)):
        decode(encoded(picture(), "JPEG"), SPEC, 1_000_000)


def large_png() -> bytes:
    """One that costs much: every row of it has to be unpacked."""
    flat = Image.new("RGB", (4000, 3000), "teal")
    flat.paste(picture(), (1800, 1400))
    return encoded(flat, "PNG", compress_level=1)


def test_image_that_costs_much_is_put_aside_and_then_read_as_any_other() -> None:
    data = large_png()
    assert decode(data, SPEC, 50_000_000) == Slow(data)
    expected = pixels(read(data, SPEC.least_px).picture, SPEC)
    assert np.array_equal(decode_slow(Slow(data), SPEC, 50_000_000, within_s=60), expected)


def test_slow_image_that_is_too_large_is_refused_where_it_stands() -> None:
    assert refusal(large_png(), max_pixels=11_999_999).code == "TOO_MANY_PIXELS"


def test_damaged_slow_image_is_refused_with_the_readers_code() -> None:
    data = large_png()
    damaged = Slow(data[:5000] + bytes(len(data) - 5000))
    with pytest.raises(ImageError) as found:
        decode_slow(damaged, SPEC, 50_000_000, within_s=60)
    assert found.value.code in ("CORRUPT", "TRUNCATED")


@pytest.mark.parametrize("within_s", [0, -1, 1e-6])
def test_slow_image_without_time_left_is_given_up(within_s: float) -> None:
    with pytest.raises(TimeoutError):
        decode_slow(Slow(large_png()), SPEC, 50_000_000, within_s)
