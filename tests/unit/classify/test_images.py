"""The reader's answers in the function's terms: a small copy, a reason of a row, or another try."""

import io

import pytest
from classify.errors import PermanentError, Reason, RetryableError
from classify.images import shrink
from PIL import Image

import photo_reader
from rigs import heic

MAX_PIXELS = photo_reader.MAX_PIXELS


def test_photo_becomes_a_small_upright_jpeg() -> None:
    photo = shrink(heic.TURNED, MAX_PIXELS)
    assert (photo.width, photo.height) == (64, 96)
    image = Image.open(io.BytesIO(photo.jpeg))
    assert (image.format, image.size) == ("JPEG", (64, 96))


def test_limit_of_pixels_is_the_functions() -> None:
    with pytest.raises(PermanentError) as refusal:
        shrink(heic.UPRIGHT, 96 * 64 - 1)
    assert refusal.value.code == Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize("code", photo_reader.Reason)
def test_every_reason_of_the_reader_is_one_of_a_row(
    code: photo_reader.Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise photo_reader.PhotoError(code, "the reader's words")

    monkeypatch.setattr("classify.images.wire_copy", refuse)
    with pytest.raises(PermanentError) as refusal:
        shrink(b"", MAX_PIXELS)
    assert (refusal.value.code, refusal.value.message) == (Reason[code.name], "the reader's words")


@pytest.mark.parametrize(
    "fault", [MemoryError(), TimeoutError("the machine is busy"), ChildProcessError("no process")]
)
def test_machines_fault_is_retried(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr("classify.images.wire_copy", fail)
    with pytest.raises(RetryableError, match="could not be read this time"):
        shrink(b"", MAX_PIXELS)
