"""What a tuning job asks of a search strategy, and the one strategy that needs no library."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from local.sagemaker.tuning.ranges import CategoricalRange


@dataclass(frozen=True)
class Trial:
    """Hyperparameters to try, as text, and the number by which the search knows them."""

    number: int
    values: dict[str, str]


class Search(Protocol):
    def ask(self) -> Trial | None:
        """The next trial; None when there is nothing left to try."""

    def report(self, trial: Trial, values: Sequence[float]) -> bool:
        """The objective's values so far, oldest first. True: this trial is to be ended."""

    def tell(self, trial: Trial, value: float | None) -> None:
        """How a trial ended: its objective, or None for one that has none."""


class GridSearch:
    """Every combination once, the last range changing fastest."""

    def __init__(self, ranges: Sequence[CategoricalRange]) -> None:
        names = [one.name for one in ranges]
        self._trials: Iterator[Trial] = (
            Trial(number, dict(zip(names, values, strict=True)))
            for number, values in enumerate(itertools.product(*(one.values for one in ranges)))
        )

    def ask(self) -> Trial | None:
        return next(self._trials, None)

    def report(self, trial: Trial, values: Sequence[float]) -> bool:
        return False

    def tell(self, trial: Trial, value: float | None) -> None:
        """A grid does not learn."""
