"""Properties of the split: complete, disjoint, stratified, and deaf to the order of files."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.errors import DataError
from training.data.folders import SPLITS
from training.data.splitting import DEFAULT_FRACTIONS, check_fractions, split_class, split_counts

# Digests of a class's files; few different ones, so that copies are common.
_CLASSES = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=6).map(Path),
    st.integers(0, 60).map(lambda number: f"{number:064x}"),
    max_size=60,
)
_FRACTIONS = st.tuples(*[st.integers(1, 100)] * 3).map(
    lambda parts: tuple(part / sum(parts) for part in parts)
)


@settings(deadline=None)
@given(_CLASSES, st.integers(), _FRACTIONS)
def test_split_is_complete_disjoint_and_keeps_copies_together(
    digests: dict[Path, str], seed: int, fractions: tuple[float, float, float]
) -> None:
    parts = split_class(digests, seed, fractions)

    assert Counter(path for split in SPLITS for path in parts[split]) == Counter([*digests])
    contents = [{digests[path] for path in parts[split]} for split in SPLITS]
    assert sum(map(len, contents)) == len(set(digests.values()))


@settings(deadline=None)
@given(_CLASSES, st.integers(), st.randoms())
def test_split_depends_on_content_and_seed_only(
    digests: dict[Path, str], seed: int, random: object
) -> None:
    shuffled = list(digests.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    parts = split_class(digests, seed)
    assert split_class(dict(shuffled), seed) == parts

    renamed = split_class({Path(f"x{path}"): digest for path, digest in shuffled}, seed)
    for split in SPLITS:
        assert {f"x{path}" for path in parts[split]} == {str(path) for path in renamed[split]}


@settings(deadline=None)
@given(st.integers(3, 5000), _FRACTIONS)
def test_three_photos_or_more_reach_every_split(
    count: int, fractions: tuple[float, float, float]
) -> None:
    counts = split_counts(count, fractions)
    assert sum(counts) == count
    assert min(counts) >= 1


@settings(deadline=None)
@given(st.integers(10, 5000))
def test_fractions_are_met_to_the_photo(count: int) -> None:
    for part, fraction in zip(
        split_counts(count, DEFAULT_FRACTIONS), DEFAULT_FRACTIONS, strict=True
    ):
        assert abs(part - fraction * count) <= 1


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_photos_are_all_trained_on(count: int) -> None:
    assert split_counts(count, DEFAULT_FRACTIONS) == (count, 0, 0)


def test_another_seed_deals_otherwise() -> None:
    digests = {Path(f"{number}"): f"{number:064x}" for number in range(100)}
    splits = {split_class(digests, seed)["test"] for seed in range(5)}
    assert len(splits) == 5


def test_one_photo_more_moves_few_others() -> None:
    digests = {Path(f"{number}"): f"{number:064x}" for number in range(101)}
    after = split_class(digests, seed=1)
    before = split_class({path: digests[path] for path in list(digests)[:-1]}, seed=1)
    moved = sum(len(set(before[split]) - set(after[split])) for split in SPLITS)
    assert moved <= 2


@pytest.mark.parametrize("fractions", [(1.0, 0.0, 0.0), (0.8, 0.1, 0.2), (0.8, 0.3, -0.1)])
def test_impossible_fractions_are_refused(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(DataError, match="must each be positive"):
        check_fractions(fractions)


@pytest.mark.parametrize(
    ("count", "fractions", "expected"),
    [
        (3, DEFAULT_FRACTIONS, (1, 1, 1)),
        (10, DEFAULT_FRACTIONS, (8, 1, 1)),
        (20, (0.5, 0.3, 0.2), (10, 6, 4)),
        (20, (0.5, 0.2, 0.3), (10, 4, 6)),
        (3, (0.1, 0.45, 0.45), (1, 1, 1)),
        (4, (0.2, 0.4, 0.4), (1, 1, 2)),  # two each would leave none to train on: valid gives
        (4, (0.1, 0.3, 0.6), (1, 1, 2)),  # test, the larger, gives
        (6, (0.05, 0.5, 0.45), (1, 2, 3)),
    ],
)
def test_counts_are_rounded_and_train_gets_its_photo_from_the_larger(
    count: int, fractions: tuple[float, float, float], expected: tuple[int, int, int]
) -> None:
    assert split_counts(count, fractions) == expected


@pytest.mark.parametrize("total", [1 - 2e-6, 1 + 2e-6])
def test_fractions_may_differ_from_1_by_rounding_only(total: float) -> None:
    check_fractions((total - 0.2 + (1 - total) * 0.9, 0.1, 0.1))
    with pytest.raises(DataError, match=r"fractions 0\.[0-9]+, 0\.1, 0\.1 cannot"):
        check_fractions((total - 0.2, 0.1, 0.1))


def test_class_is_not_dealt_out_by_impossible_fractions() -> None:
    with pytest.raises(DataError, match="must each be positive"):
        split_class({Path("a"): "0" * 64}, seed=0, fractions=(0.9, 0.2, -0.1))


def test_copies_of_a_photo_are_in_order_of_their_names() -> None:
    digests = {Path("c"): "0" * 64, Path("a"): "0" * 64, Path("b"): "0" * 64}
    assert split_class(digests, seed=0)["train"] == (Path("a"), Path("b"), Path("c"))
