"""What is more than chance, and more than nothing."""

import random
import re
from collections import Counter

import pytest
from drift.statistics import (
    LEAST_PSI,
    USUAL_LEAST_PSI,
    by_name,
    chi_square_above,
    neighbours,
    shift,
    wilson,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.template.cloudformation import ROOT

counts = st.dictionaries(st.integers(0, 63), st.integers(1, 500), min_size=1)
names = st.dictionaries(st.text(max_size=5), st.integers(1, 500), min_size=1)


@given(counts)
def test_the_same_again_is_no_shift(before: dict[int, int]) -> None:
    found = shift("x", before, before, neighbours(before, 64), 11)
    assert (found.psi, found.chi_square) == (0, 0)
    assert not found.found
    assert found.grown == []


@given(counts)
def test_every_bin_is_in_one_group_of_neighbours_that_is_not_rare(before: dict[int, int]) -> None:
    groups = neighbours(before, 64)
    assert [at for group in groups for at in group] == list(range(64))
    shares = [sum(before.get(at, 0) for at in group) / sum(before.values()) for group in groups]
    # Unless nearly all were alike: then what was rare, or never there, stands alone.
    assert min(shares) >= 0.08 or max(shares) > 0.84


@pytest.mark.parametrize("to", [0, 10, 63])
def test_photos_that_were_all_alike_can_become_others(to: int) -> None:
    before, now = {0 if to else 63: 1000}, {to: 150}
    assert shift("x", before, now, neighbours(before, 64), 11).found


@given(names, names)
def test_every_name_is_in_one_group(before: dict[str, int], now: dict[str, int]) -> None:
    groups = by_name(before, now)
    assert sorted(name for group in groups for name in group) == sorted({*before, *now})
    for group in groups[:-1]:
        assert before.get(group[0], 0) + now.get(group[0], 0) >= 10


@pytest.mark.parametrize(
    ("degrees", "chance", "quantile"),
    # R: qchisq(chance, degrees, lower.tail = FALSE)
    [(1, 0.05, 3.841), (5, 0.001, 20.515), (9, 0.001, 27.877), (11, 1e-4, 37.367)],
)
def test_quantiles_are_those_of_the_books(degrees: int, chance: float, quantile: float) -> None:
    assert chi_square_above(degrees, chance) == pytest.approx(quantile, rel=0.03)


def test_what_moved_is_found_and_where() -> None:
    before = Counter(dict.fromkeys(range(10), 100))
    now = Counter(dict.fromkeys(range(10), 10)) + Counter({3: 60})
    found = shift("x", before, now, neighbours(before, 10), 11)
    assert found.found
    assert found.grown[0] == 3


def test_difference_that_is_sure_but_small_is_none() -> None:
    before = Counter({0: 500_000, 1: 500_000})
    now = Counter({0: 510_000, 1: 490_000})
    found = shift("x", before, now, neighbours(before, 2), 11)
    assert found.chi_square > found.limit
    assert not found.found


def test_page_of_the_api_draws_its_lines_where_a_figure_counts() -> None:
    # GIVEN the page's script, which has the levels as numbers
    script = (ROOT / "functions" / "api" / "api" / "static" / "drift.js").read_text()
    # WHEN they are read from it
    (named,) = re.findall(r"const MATTERS = \{(.*)\};", script)
    (usual,) = re.findall(r"MATTERS\[name\] \?\? ([\d.]+)", script)
    levels = dict(re.findall(r"(\w+): ([\d.]+)", named))
    # THEN they are those that findings begin at
    assert {figure: float(level) for figure, level in levels.items()} == LEAST_PSI
    assert float(usual) == USUAL_LEAST_PSI


def test_few_photos_show_nothing() -> None:
    before = Counter({0: 500, 1: 500})
    found = shift("x", before, Counter({0: 9, 1: 1}), neighbours(before, 2), 11)
    assert found.psi > 0.1
    assert not found.found


def test_index_is_without_what_chance_alone_makes_of_it() -> None:
    chance = random.Random(3)

    def draw(count: int) -> Counter[str]:
        return Counter(str(chance.randrange(100)) for _ in range(count))

    found = []
    for _ in range(200):
        before, now = draw(2000), draw(500)
        found.append(shift("breed", before, now, by_name(before, now), 13))
    # As it is, it would be 99 x (1 / 2000 + 1 / 500) = 0.25.
    assert sum(one.psi for one in found) / len(found) < 0.05
    assert not any(one.found for one in found)


def test_another_mix_of_many_breeds_is_found_in_hundreds_of_photos() -> None:
    chance = random.Random(4)
    before = Counter(f"{chance.randrange(100):02}" for _ in range(1000))
    weights = [5 if at < 20 else 1 for at in range(100)]
    now = Counter(f"{at:02}" for at in chance.choices(range(100), weights, k=400))
    found = shift("breed", before, now, by_name(before, now), 13)
    assert found.found
    assert str(found.grown[0]) < "20"


def test_figure_of_one_value_cannot_shift() -> None:
    found = shift("x", {5: 900}, {5: 100}, neighbours({5: 900}, 64), 11)
    assert not found.found


def test_chance_alone_is_found_seldom() -> None:
    chance = random.Random(7)
    weights = [chance.random() ** 2 for _ in range(64)]

    def draw(count: int) -> Counter[int]:
        return Counter(chance.choices(range(64), weights, k=count))

    false = 0
    for _ in range(1000):
        before = draw(1000)
        false += shift("x", before, draw(150), neighbours(before, 64), 11).found
    # Expected: one in 990.
    assert false <= 5


def test_interval_is_the_score_interval() -> None:
    assert wilson(8, 10) == (pytest.approx(0.490, abs=1e-3), pytest.approx(0.943, abs=1e-3))
    assert wilson(0, 0) == (0, 1)
