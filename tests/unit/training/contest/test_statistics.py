"""Statistics against values that were worked out elsewhere."""

import pytest

from training.contest.statistics import Pairs, holm, mcnemar, pairs


@pytest.mark.parametrize(
    ("lost", "won", "p"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (1, 8, 0.0390625),  # R: binom.test(1, 9)
        (0, 6, 0.03125),
        (3, 15, 0.007537841796875),  # R: binom.test(3, 18)
    ],
)
def test_mcnemar_is_the_exact_binomial_test(lost: int, won: int, p: float) -> None:
    assert mcnemar(lost, won) == pytest.approx(p, rel=1e-12)
    assert mcnemar(won, lost) == mcnemar(lost, won)


def test_pairs_count_photos_that_one_alone_had_right() -> None:
    found = pairs([True, True, False, False, True], [True, False, True, False, False])

    assert found == Pairs(5, 2, 1)
    assert found.difference == pytest.approx(-0.2)


def test_holm_steps_down_and_never_lets_a_larger_p_become_smaller() -> None:
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})

    assert found == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})


def test_bound_of_the_difference_is_agrestis_and_mins() -> None:
    # (won - lost) / (n + 2) - 1.6449 sqrt(lost + won + 1 - (won - lost)^2 / (n + 2)) / (n + 2)
    assert Pairs(98, 4, 10).least == pytest.approx(-0.00294, abs=1e-5)


def test_few_photos_leave_much_open_and_many_little() -> None:
    assert Pairs(20, 0, 0).least < -0.05
    assert Pairs(2000, 0, 0).least > -0.001


def test_figures_of_the_rules_docstring() -> None:
    assert Pairs(300, 6, 6).least > -0.02 > Pairs(250, 5, 5).least
    breeds = {f"breed {number}": 1.0 for number in range(119)}
    assert holm(breeds | {"worse": mcnemar(13, 0)})["worse"] < 0.05
    assert holm(breeds | {"worse": mcnemar(12, 0)})["worse"] >= 0.05
