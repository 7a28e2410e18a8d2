"""Decoding: what is taken, what is refused, and that bombs are refused from their header."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from serving.images import ImageError, decode
from tests.unit.serving.pictures import encoded, picture


def code_of(data: bytes, max_pixels: int = 1_000_000) -> str:
    """The code with which `data` is refused."""
    with pytest.raises(ImageError) as refusal:
        decode(data, max_pixels, 256)
    return refusal.value.code


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_format_of_the_allow_list_is_decoded(kind: str) -> None:
    assert decode(encoded(picture(), kind), 1_000_000, 256).size == (300, 260)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_first_frame_of_many_is_taken(kind: str) -> None:
    frames = [picture(seed=seed) for seed in range(3)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    image = decode(data, 1_000_000, 256)
    assert image.size == (300, 260)
    assert getattr(image, "tell", lambda: 0)() == 0


@pytest.mark.parametrize("kind", ["ICO", "PPM", "TGA", "PCX", "JPEG2000"])
def test_format_outside_the_allow_list_is_refused(kind: str) -> None:
    assert code_of(encoded(picture(), kind)) in ("NOT_AN_IMAGE", "UNSUPPORTED_FORMAT")


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "WEBP", "BMP", "JPEG"])
def test_too_many_pixels_are_refused_before_decoding(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(Image.new("L", (2000, 1000)), kind)
    monkeypatch.setattr(Image.core, "map_buffer", None)
    monkeypatch.setattr(Image, "_getdecoder", None)  # decoding would fail on this
    assert code_of(data, max_pixels=1_999_999) == "TOO_MANY_PIXELS"


def test_large_jpeg_is_decoded_reduced_but_never_below_twice_what_is_needed() -> None:
    image = decode(encoded(Image.new("RGB", (4000, 3000)), "JPEG"), 50_000_000, 256)
    assert 512 <= min(image.size) <= 1024


def test_jpeg_as_the_function_sends_it_is_decoded_whole() -> None:
    assert decode(encoded(picture(512, 384), "JPEG"), 1_000_000, 256).size == (512, 384)


def test_empty_and_text_are_told_apart() -> None:
    assert code_of(b"") == "EMPTY"
    assert code_of(b"hello") == "NOT_AN_IMAGE"
    assert code_of(b"\0\0\0\x20ftypavif" + b"\0" * 20) == "UNSUPPORTED_FORMAT"


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]),
    st.integers(0, 100),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
)
def test_damaged_file_is_decoded_or_refused_but_never_breaks(
    kind: str, kept_percent: int, changes: list[tuple[float, int]]
) -> None:
    data = bytearray(SAMPLES[kind])
    for place, value in changes:
        data[int(place * len(data))] = value
    try:
        image = decode(bytes(data[: len(data) * kept_percent // 100]), 1_000_000, 256)
    except ImageError as refusal:
        outcome = refusal.code
    else:
        outcome = image.mode
    assert outcome


SAMPLES = {
    kind: encoded(picture(60, 50), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
}
