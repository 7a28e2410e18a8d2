"""The corpus of odd files, read by the room itself; and the words of its refusals."""

import re
import time

import pytest

from photo_reader import PhotoError, read
from tests.odd_files import BROKEN, HOSTILE, MILD, PHOTO, Case

# Of the corpus of hostile files, those that a decoder need not be started for.
STRUCTURES = [
    name for name in HOSTILE if any(word in name for word in ("exif", "directory", "empty", "fill"))
]


def answer(case: Case) -> str:
    """PHOTO or the code; of a photo, size and colours are looked at."""
    try:
        photo = read(case.make(), 384)
    except PhotoError as refusal:
        return str(refusal.code)
    picture = photo.picture
    assert picture.mode == "RGB"
    assert case.size in (None, (photo.width, photo.height))
    if case.quarters is not None:
        spots = [(x, y) for y in (0.25, 0.75) for x in (0.25, 0.75)]
        seen = [
            picture.getpixel((int(picture.width * x), int(picture.height * y))) for x, y in spots
        ]
        for colour, wanted in zip(seen, case.quarters, strict=True):
            assert isinstance(colour, tuple)
            assert max(abs(a - b) for a, b in zip(colour, wanted, strict=True)) <= case.within, seen
    return PHOTO


@pytest.mark.parametrize("name", MILD)
def test_odd_file_is_shown_right_or_refused_for_its_reason(name: str) -> None:
    assert answer(MILD[name]) == MILD[name].code


@pytest.mark.parametrize("name", STRUCTURES)
def test_structure_made_to_cost_time_is_walked_at_once(name: str) -> None:
    case = HOSTILE[name]
    data = case.make()
    start = time.process_time()
    assert answer(Case(lambda: data, case.code, case.size, case.quarters, case.within)) == case.code
    # Parsed whole, it took 7 to 90 s.
    assert time.process_time() - start < 2


@pytest.mark.parametrize("name", BROKEN)
def test_refusal_says_the_same_words_for_the_same_bytes_and_none_of_a_librarys(name: str) -> None:
    data = BROKEN[name].make()
    words = []
    for _ in range(2):
        with pytest.raises(PhotoError) as refusal:
            read(data, 384)
        words.append(refusal.value.message)
    assert words[0] == words[1]
    assert re.fullmatch(r"[\w .,:;()/<>*'\"+=%-]{10,200}", words[0]), words[0]
    assert not re.search(r"0x|decoder error|BytesIO|index out of range|^\W*\d+\W*$", words[0])
