"""Ranges of a tuning job, between AWS's text and the numbers of a search."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.errors import AwsError
from local.sagemaker.tuning.ranges import CategoricalRange, NumberRange, grid, parse
from local.sagemaker.tuning.search import GridSearch


def _number(least: str, greatest: str, scaling: str, kind: str = "Continuous") -> Any:
    member = {"Name": "x", "MinValue": least, "MaxValue": greatest, "ScalingType": scaling}
    return parse({f"{kind}ParameterRanges": [member]})[0]


@pytest.mark.parametrize(
    ("least", "greatest", "scaling"),
    [
        ("0.001", "0.1", "Logarithmic"),
        ("0.001", "0.0999", "Linear"),
        ("0", "1", "Linear"),
        ("-1", "1000", "Linear"),
    ],
)
def test_auto_scaling_is_logarithmic_over_two_decades(
    least: str, greatest: str, scaling: str
) -> None:
    assert _number(least, greatest, "Auto").scaling == scaling


def test_reverse_logarithmic_searches_what_is_missing_to_one() -> None:
    found = _number("0.9", "0.999", "ReverseLogarithmic")

    assert found.log
    assert (found.low, found.high) == pytest.approx((0.001, 0.1))
    assert float(found.text(0.01)) == pytest.approx(0.99)
    assert found.searched("0.99") == pytest.approx(0.01)


@given(st.floats(0, 1), st.sampled_from(["Linear", "Logarithmic", "ReverseLogarithmic"]))
def test_text_of_a_searched_value_lies_in_the_range_and_comes_back(
    share: float, scaling: str
) -> None:
    found = _number("0.1", "0.9", scaling)
    value = found.low + share * (found.high - found.low)

    text = found.text(value)

    assert 0.1 <= float(text) <= 0.9
    assert found.searched(text) == pytest.approx(value)


def test_integers_are_written_without_a_point() -> None:
    found = _number("16", "256", "Auto", "Integer")

    assert found.text(32) == "32"
    assert found.searched("32") == 32
    assert found.searched("32.5") is None
    assert found.searched("512") is None
    assert found.searched("many") is None


@pytest.mark.parametrize(
    ("least", "greatest", "scaling", "words"),
    [
        ("0", "1", "Logarithmic", "needs a MinValue above 0"),
        ("0.5", "1", "ReverseLogarithmic", "within 0 <= x < 1"),
        ("1", "1", "Linear", "must be less than its MaxValue"),
        ("2", "1", "Linear", "must be less than its MaxValue"),
        ("low", "1", "Linear", "'low', a bound of x, is not a number"),
        ("0", "inf", "Linear", "is not finite"),
    ],
)
def test_range_that_cannot_be_searched_is_refused(
    least: str, greatest: str, scaling: str, words: str
) -> None:
    with pytest.raises(AwsError, match=words):
        _number(least, greatest, scaling)


def test_integer_bounds_must_be_integers() -> None:
    with pytest.raises(AwsError, match=r"'1\.5', a bound of x, is not an integer"):
        _number("1.5", "3", "Linear", "Integer")


def test_name_that_comes_twice_is_refused() -> None:
    with pytest.raises(AwsError, match="Duplicate hyperparameter name x"):
        parse({"CategoricalParameterRanges": [{"Name": "x", "Values": ["1"]}] * 2})


def test_auto_parameters_are_refused() -> None:
    with pytest.raises(AwsError, match="AutoParameters"):
        parse({"AutoParameters": [{"Name": "x", "ValueHint": "1"}]})


def test_grid_takes_categories_only() -> None:
    number = NumberRange("lr", 0.1, 0.2, False, "Linear")
    with pytest.raises(AwsError, match="only supports CategoricalParameterRanges; lr is"):
        grid([number])


def test_grid_search_ends_after_every_combination() -> None:
    search = GridSearch([CategoricalRange("a", ("1", "2")), CategoricalRange("b", ("x",))])

    trials = [search.ask(), search.ask(), search.ask()]

    assert [trial and trial.values for trial in trials] == [
        {"a": "1", "b": "x"},
        {"a": "2", "b": "x"},
        None,
    ]
