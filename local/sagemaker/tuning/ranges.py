"""ParameterRanges: what a tuning job may try, between AWS's text and the numbers of a search.

Scaling ("Amazon SageMaker Automatic Model Tuning: hyperparameter scaling"): Logarithmic searches
evenly in log x and needs values above 0; ReverseLogarithmic in -log(1 - x), for 0 <= x < 1. How
Auto chooses is not public: ours is Logarithmic where the greatest value is at least 100 times the
least and that is above 0, else Linear.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.errors import AwsError

_AUTO_LOG_RATIO = 100.0
_NUMBERS = {"IntegerParameterRanges": True, "ContinuousParameterRanges": False}


@dataclass(frozen=True)
class NumberRange:
    """A search runs over `low` to `high`, by their logarithms where `log`.

    For a reversed range that is 1 - x.
    """

    name: str
    least: float
    greatest: float
    integer: bool
    scaling: str  # Linear, Logarithmic, ReverseLogarithmic

    @property
    def log(self) -> bool:
        return self.scaling != "Linear"

    @property
    def low(self) -> float:
        return 1 - self.greatest if self._reversed else self.least

    @property
    def high(self) -> float:
        return 1 - self.least if self._reversed else self.greatest

    def text(self, searched: float) -> str:
        """A value of the search as a hyperparameter."""
        value = 1 - searched if self._reversed else searched
        value = min(max(value, self.least), self.greatest)  # 1 - (1 - x) may be a bit off
        return str(round(value)) if self.integer else repr(float(value))

    def searched(self, text: str) -> float | None:
        """A hyperparameter as a value of the search; None when it is not in the range."""
        try:
            value = float(text)
        except ValueError:
            return None
        if not self.least <= value <= self.greatest or (self.integer and value % 1):
            return None
        return 1 - value if self._reversed else value

    @property
    def _reversed(self) -> bool:
        return self.scaling == "ReverseLogarithmic"


@dataclass(frozen=True)
class CategoricalRange:
    name: str
    values: tuple[str, ...]

    def text(self, searched: str) -> str:
        return searched

    def searched(self, text: str) -> str | None:
        return text if text in self.values else None


Range = NumberRange | CategoricalRange


def parse(ranges: Mapping[str, Any]) -> list[Range]:
    """ParameterRanges, checked. Raises AwsError."""
    if ranges.get("AutoParameters"):
        raise _invalid("The local cloud does not support AutoParameters. Give them as ranges.")
    found: list[Range] = [
        _number(member, integer)
        for kind, integer in _NUMBERS.items()
        for member in ranges.get(kind, [])
    ]
    found += [
        CategoricalRange(member["Name"], tuple(member["Values"]))
        for member in ranges.get("CategoricalParameterRanges", [])
    ]
    if not found:
        raise _invalid("ParameterRanges must have at least one range.")
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise _invalid(f"Duplicate hyperparameter name {name} in ParameterRanges.")
    return found


def _number(member: Mapping[str, str], integer: bool) -> NumberRange:
    name = member["Name"]
    least, greatest = (_bound(name, member[key], integer) for key in ("MinValue", "MaxValue"))
    if least >= greatest:
        raise _invalid(f"MinValue of {name} must be less than its MaxValue.")
    scaling = member.get("ScalingType", "Auto")
    if scaling == "Auto":
        scaling = _auto(least, greatest)
    if scaling == "Logarithmic" and least <= 0:
        raise _invalid(f"Logarithmic scaling of {name} needs a MinValue above 0.")
    if scaling == "ReverseLogarithmic" and (integer or not 0 <= least < greatest < 1):
        raise _invalid(
            f"ReverseLogarithmic scaling of {name} needs a continuous range within 0 <= x < 1."
        )
    return NumberRange(name, least, greatest, integer, scaling)


def _bound(name: str, text: str, integer: bool) -> float:
    try:
        value = int(text) if integer else float(text)
    except ValueError as error:
        kind = "an integer" if integer else "a number"
        raise _invalid(f"{text!r}, a bound of {name}, is not {kind}.") from error
    if not math.isfinite(value):
        raise _invalid(f"{text!r}, a bound of {name}, is not finite.")
    return value


def _auto(least: float, greatest: float) -> str:
    return "Logarithmic" if least > 0 and greatest / least >= _AUTO_LOG_RATIO else "Linear"


def grid(ranges: Sequence[Range]) -> list[CategoricalRange]:
    """The ranges of a grid search, which has categories only. Raises AwsError."""
    numbers = [one.name for one in ranges if isinstance(one, NumberRange)]
    if numbers:
        raise _invalid(
            "Grid strategy only supports CategoricalParameterRanges; "
            f"{', '.join(numbers)} is of another kind."
        )
    return [one for one in ranges if isinstance(one, CategoricalRange)]


def _invalid(words: str) -> AwsError:
    return AwsError("ValidationException", words)
