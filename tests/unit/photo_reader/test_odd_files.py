"""Files made to cost time are walked at once, and every refusal is in words of our own."""

import re
import time

import pytest

from photo_reader import PhotoError, read
from tests.odd_files import BROKEN, HOSTILE, PHOTO

# Of the corpus of hostile files, those that hold a small picture or none.
STRUCTURES = [
    name for name in HOSTILE if any(word in name for word in ("exif", "directory", "empty", "fill"))
]


@pytest.mark.parametrize("name", STRUCTURES)
def test_structure_made_to_cost_time_is_walked_at_once(name: str) -> None:
    data = HOSTILE[name].make()
    start = time.process_time()
    try:
        read(data, 384)
        code = PHOTO
    except PhotoError as refusal:
        code = str(refusal.code)
    # Parsed by a decoder, they took 7 to 90 s.
    assert time.process_time() - start < 2
    assert code == HOSTILE[name].code


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
