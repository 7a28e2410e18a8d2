"""What two models' answers to the same photos prove. Pure: numbers in, numbers out."""

import math
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import NamedTuple

from training.figures.metrics import Proportion

ALPHA = 0.05

# The 0.95 quantile of the standard normal distribution: one-sided 95 %.
_Z95_ONE_SIDED = 1.6448536269514722


class Pairs(NamedTuple):
    """Of `n` photos that both answered: how many only one of the two had right."""

    n: int
    only_champion: int
    only_challenger: int

    @property
    def difference(self) -> float:
        """Challenger's share of right answers minus the champion's, -1..1."""
        return (self.only_challenger - self.only_champion) / self.n if self.n else 0.0

    @property
    def p(self) -> float:
        """McNemar's exact two-sided p value: see `mcnemar`."""
        return mcnemar(self.only_champion, self.only_challenger)

    @property
    def least(self) -> float:
        """What the difference is at least, with 95 % confidence (one-sided).

        Wald's interval after half a photo is added to each of the four cells (A. Agresti, Y. Min,
        Statistics in Medicine 24, 2005): it keeps its promise with few photos, where Wald's own
        does not.
        """
        n = self.n + 2
        lost, won = self.only_champion + 0.5, self.only_challenger + 0.5
        middle = (won - lost) / n
        spread = math.sqrt(max(0.0, lost + won - (won - lost) ** 2 / n)) / n
        return max(-1.0, middle - _Z95_ONE_SIDED * spread)


def pairs(champion: Sequence[bool], challenger: Sequence[bool]) -> Pairs:
    """Whether each photo was answered right, by one and by the other, in the same order."""
    both = list(zip(champion, challenger, strict=True))
    return Pairs(len(both), both.count((True, False)), both.count((False, True)))


class Mean(NamedTuple):
    """The mean of a difference over `n` photos, and what it is at least with 95 % confidence."""

    n: int
    value: float
    least: float


def mean_of(differences: Sequence[float]) -> Mean:
    """One-sided, by the normal approximation: the verdict asks for more photos long before it is
    too rough. Of fewer than two photos nothing is sure.
    """
    n = len(differences)
    if n < 2:
        return Mean(n, sum(differences), -math.inf)
    middle, spread = mean(differences), stdev(differences) / math.sqrt(n)
    return Mean(n, middle, middle - _Z95_ONE_SIDED * spread)


def drop(before: Proportion, after: Proportion) -> Mean:
    """By how much a share of other photos is lower: Wald's one-sided interval."""
    spread = math.sqrt(sum(one.value * (1 - one.value) / one.n for one in (before, after) if one.n))
    value = before.value - after.value
    return Mean(before.n + after.n, value, value - _Z95_ONE_SIDED * spread)


def mcnemar(lost: int, won: int) -> float:
    """Exact two-sided p value of McNemar's test (Q. McNemar, Psychometrika 12, 1947).

    Of the photos that only one of two had right, each is as likely the one's as the other's if they
    are equally good: twice the smaller tail of a binomial distribution with 1/2, at most 1.
    """
    n, few = lost + won, min(lost, won)
    tail = sum(math.comb(n, k) for k in range(few + 1))
    return min(1.0, 2 * tail / (1 << n))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p values of many tests, each corrected for all (S. Holm, Scand. J. Statistics 6, 1979).

    With them the chance of one false alarm or more among all tests stays below ALPHA.
    """
    corrected, largest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, p * (len(p_values) - rank)))
        corrected[name] = largest
    return corrected
