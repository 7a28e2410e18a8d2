"""JPEG: segments are walked, and only what pixels need reaches the decoder."""

import pytest
from PIL import Image

from photo_reader import PhotoError, jpeg, read
from tests.odd_files.building import jpeg_segment, jpeg_with, saved
from tests.odd_files.case import flag

XMP = (
    b"http://ns.adobe.com/xap/1.0/\0"
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="3"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
PROGRESSIVE = saved(flag((400, 300)), "JPEG", progressive=True)


def test_pairs_that_look_like_scans_in_a_profile_or_behind_the_picture_are_none() -> None:
    fake = b"\xff\xda" * 200
    profile = jpeg_segment(0xE2, b"ICC_PROFILE\0\x01\x01" + fake)
    data = jpeg_with(PROGRESSIVE, profile) + b"\0\0\0\x18ftypmp42" + fake
    assert read(data, 384).width == 400


def test_more_scans_than_any_camera_writes_are_refused() -> None:
    last = PROGRESSIVE.rfind(b"\xff\xda")
    data = PROGRESSIVE[:last] + PROGRESSIVE[last:-2] * jpeg.MAX_SCANS + PROGRESSIVE[-2:]
    with pytest.raises(PhotoError, match="CORRUPT: JPEG: more than 100 scans"):
        read(data, 384)


def test_orientation_in_xmp_is_not_exifs() -> None:
    plain = saved(flag(), "JPEG", quality=95)
    turned = read(jpeg_with(plain, jpeg_segment(0xE1, XMP)), 384).picture
    assert turned.tobytes() == read(plain, 384).picture.tobytes()


def test_only_what_pixels_need_is_handed_on() -> None:
    extras = [
        jpeg_segment(0xE1, XMP),
        jpeg_segment(0xED, b"Photoshop 3.0\0"),
        jpeg_segment(0xFE, b"hi"),
    ]
    plain = saved(flag(), "JPEG")
    with_extras, without = jpeg.parse(jpeg_with(plain, *extras)), jpeg.parse(plain)
    assert b"".join(with_extras.pieces) == b"".join(without.pieces)


def test_pixels_are_not_copied_before_they_are_decoded() -> None:
    plain = saved(flag(), "JPEG")
    scan = max(jpeg.parse(plain).pieces, key=len)
    assert isinstance(scan, memoryview)
    assert scan.obj is plain


def test_fill_bytes_within_a_scan_cost_no_more_than_their_length() -> None:
    data = PROGRESSIVE[:-2] + b"\xff" * 1_000_000 + b"\xff\xd9"
    assert sum(map(len, jpeg.parse(data).pieces)) <= len(PROGRESSIVE) + 2
    assert read(data, 384).width == 400


@pytest.mark.parametrize(
    ("marker", "words"),
    [(0xC3, "lossless"), (0xC9, "arithmetic-coded"), (0xC5, "hierarchical")],
)
def test_sound_file_of_a_rare_process_is_unsupported_by_name(marker: int, words: str) -> None:
    data = saved(flag(), "JPEG").replace(b"\xff\xc0", bytes((0xFF, marker)), 1)
    with pytest.raises(PhotoError, match=f"UNSUPPORTED_FORMAT: {words} JPEG"):
        read(data, 384)


def test_length_that_is_none_of_a_segment_that_nobody_needs_costs_nothing() -> None:
    plain = saved(flag(), "JPEG")
    assert read(jpeg_with(plain, b"\xff\xe5\0\0"), 384).width == 96
    with pytest.raises(PhotoError, match="CORRUPT"):
        read(jpeg_with(plain, b"\xff\xdb\0\0"), 384)


def test_large_jpeg_of_one_pass_is_read_in_the_callers_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("photo_reader.guard.read", None)  # would fail
    photo = read(saved(Image.new("RGB", (6000, 4000)), "JPEG"), 384)
    assert photo.picture.size == (750, 500)
