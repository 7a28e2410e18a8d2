"""Fingerprints are pHash as it was published, and groups are the pairs that are near."""

import numpy as np
import pytest
from PIL import Image

from tests.unit.training.data.photos import photo
from training.data import fingerprint as module
from training.data.fingerprint import Fingerprints, as_array, fingerprint, near_groups


def phash(image: Image.Image) -> bytes:
    """Zauner's definition, sum by sum: DCT-II of 64 x 64 luminances, 16 x 16 of it kept."""
    small = image.convert("L").resize((64, 64), Image.Resampling.BILINEAR)
    pixels = np.asarray(small, dtype=np.float64)
    place = np.arange(64) + 0.5
    frequencies = np.array(
        [
            (
                pixels * np.outer(np.cos(np.pi * u * place / 64), np.cos(np.pi * v * place / 64))
            ).sum()
            for u in range(16)
            for v in range(16)
        ]
    )
    return np.packbits(frequencies > np.median(frequencies[1:])).tobytes()


@pytest.mark.parametrize("seed", range(4))
def test_fingerprint_is_the_published_phash(seed: int) -> None:
    found = fingerprint(photo(seed))
    assert found is not None
    assert found[0] == phash(photo(seed))


@pytest.mark.parametrize(("contrast", "is_plain"), [(3, True), (4, False), (6, False)])
def test_area_is_plain_below_a_deviation_of_two(contrast: int, is_plain: bool) -> None:
    halves = np.full((64, 64), 100, dtype=np.uint8)
    halves[:, 32:] += contrast  # a standard deviation of half of it
    assert (fingerprint(Image.fromarray(halves)) is None) is is_plain


def prints(*flipped: range) -> Fingerprints:
    """One fingerprint for each range: all zeros, with those of 256 bits set."""
    bits = np.zeros((len(flipped), 256), dtype=np.uint8)
    for row, numbers in enumerate(flipped):
        bits[row, list(numbers)] = 1
    return as_array([np.packbits(row).tobytes() for row in bits])


def far(count: int) -> Fingerprints:
    """Mirror images that are near nothing."""
    return prints(*[range(256)] * count)


def test_group_is_as_close_as_its_closest_pair_and_the_closest_comes_first() -> None:
    # GIVEN a pair 30 bits apart, and a chain of 55 and 10 bits, far from it
    some = prints(range(100, 200), range(100, 230), range(0), range(55), range(65))
    assert near_groups(some, far(5)) == [([2, 3, 4], 10), ([0, 1], 30)]


def test_three_photos_near_each_other_are_one_group() -> None:
    assert near_groups(prints(range(0), range(4), range(8)), far(3)) == [([0, 1, 2], 4)]


def test_pairs_are_found_in_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAIRS_AT_ONCE", 7 * 2)  # two rows of seven at a time
    apart = [range(start, start + 70) for start in (0, 90, 180)]
    some = prints(*apart, range(0, 74), range(90, 166), range(180, 255), range(180, 252))
    assert near_groups(some, far(7)) == [([2, 5, 6], 2), ([0, 3], 4), ([1, 4], 6)]
