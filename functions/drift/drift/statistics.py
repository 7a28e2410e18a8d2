"""Whether two samples differ by more than chance, and by enough to matter. Standard library only.

How far: the population stability index, which for shares p (now) and q (before) is the sum of
(p - q) ln(p / q) (N. Siddiqi, Credit Risk Scorecards, 2006). Whether it is more than chance: K.
Pearson's chi-square of two samples (1911). The index alone would ring at any few photos, chi-square
alone at any difference once there are many.

From the index is taken what chance alone makes of it: one less than there are bins, times 1/n + 1/m
for n photos now and m before (B. Yurdakul, Statistical Properties of Population Stability Index,
2018). His limits are of the index's own distribution; where a bin was rare before, they were too
low in our simulation, and chi-square's were not.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

# One false alarm in three months of quiet days, over all figures together: with a day's figures
# being F, each may be wrong once in 90 x F days. (The aim is less than one in a month.)
QUIET_DAYS = 90
# Below 0.1 Siddiqi calls a population unchanged, however many photos show the difference. Answers
# of another kind count from half of it: 5 % of rejections where there was 1 % is 0.07.
USUAL_LEAST_PSI = 0.1
LEAST_PSI = {"status": USUAL_LEAST_PSI / 2}
# A bin has at least this share of the photos before: the tenth of the usual ten bins, nearly.
LEAST_SHARE = 0.08

# Photos of a name, now and before: chi-square wants about five of each sample.
LEAST_NAMED = 10

Bin = TypeVar("Bin", bound=Hashable)


@dataclass(frozen=True)
class Shift:
    """How far one figure moved. `chi_square` above `limit` is more than chance. `grown`: what there
    is more of than before, the most telling first.
    """

    figure: str
    psi: float
    chi_square: float
    limit: float
    grown: Sequence[Hashable]

    @property
    def found(self) -> bool:
        return self.psi >= least_psi(self.figure) and self.chi_square > self.limit


def least_psi(figure: str) -> float:
    return LEAST_PSI.get(figure, USUAL_LEAST_PSI)


def shift(
    figure: str, before: Mapping[Bin, int], now: Mapping[Bin, int], groups: Sequence[Sequence[Bin]],
    figures: int,
) -> Shift:  # fmt: skip
    """Over `groups` of bins. `figures` are looked at in all: each has its part of the chance."""
    old = [sum(before.get(each, 0) for each in group) for group in groups]
    new = [sum(now.get(each, 0) for each in group) for group in groups]
    psi, parts = _psi(old, new)
    found = sorted(zip(parts, groups, strict=True), key=lambda pair: -pair[0])
    grown = [each for part, group in found if part > 0 for each in group]
    if old_sum := sum(old):
        # With a hundred breeds and a hundred photos chance makes an index of more than 1.
        psi -= (len(groups) - 1) * (1 / old_sum + 1 / max(1, sum(new)))
    return Shift(figure, max(0.0, psi), _chi_square(old, new), limit(len(groups), figures), grown)


def _psi(old: Sequence[int], new: Sequence[int]) -> tuple[float, list[float]]:
    """The index, and each bin's part: negative where there is less than before."""
    # Half a photo more in each bin (H. Jeffreys' prior): an empty one has no logarithm.
    n, m = sum(new) + len(new) / 2, sum(old) + len(old) / 2
    psi, parts = 0.0, []
    for before, now in zip(old, new, strict=True):
        p, q = (now + 0.5) / n, (before + 0.5) / m
        part = (p - q) * math.log(p / q)
        psi += part
        parts.append(part if p > q else -part)
    return psi, parts


def _chi_square(old: Sequence[int], new: Sequence[int]) -> float:
    """Of two samples in the same bins; bins that are empty in both say nothing."""
    n, m = sum(new), sum(old)
    if not n or not m:
        return 0.0
    weight = math.sqrt(m / n)
    return sum(
        (weight * now - before / weight) ** 2 / (now + before)
        for before, now in zip(old, new, strict=True)
        if now + before
    )


def limit(bins: int, figures: int) -> float:
    """What chance alone makes chi-square exceed once in QUIET_DAYS x `figures` days."""
    return chi_square_above(bins - 1, 1 / (QUIET_DAYS * figures)) if bins > 1 else math.inf


def chi_square_above(degrees: int, chance: float) -> float:
    """The quantile that chi-square exceeds with this chance.

    By E. B. Wilson and M. M. Hilferty, The distribution of chi-square, 1931: within a hundredth
    for what is asked here.
    """
    z = NormalDist().inv_cdf(1 - chance)
    part = 2 / (9 * degrees)
    return degrees * (1 - part + z * math.sqrt(part)) ** 3


def neighbours(before: Mapping[int, int], bins: int) -> list[list[int]]:
    """All bins from 0 on in groups of neighbours, each with LEAST_SHARE of the photos before.

    Unless one bin has nearly all of them: it is a group, and so is what lies on either side of it.
    """
    least = LEAST_SHARE * sum(before.values())
    groups: list[list[int]] = []
    group: list[int] = []
    count = 0
    for at in range(bins):
        group.append(at)
        count += before.get(at, 0)
        if count >= least and count:
            groups.append(group)
            group, count = [], 0
    if len(groups) == 1:
        # Nearly all were alike, as one camera's photos are in size: whatever is not is another.
        peak = groups[0][-1]
        return [each for each in (groups[0][:-1], [peak], group) if each]
    if group and groups:
        groups[-1] += group
    return groups


def by_name(before: Mapping[str, int], now: Mapping[str, int]) -> list[list[str]]:
    """Each name that LEAST_NAMED photos have, of both samples together; all others are one group.

    Of both, because a name that is counted in one alone is there by that sample's chance: with the
    most usual names of the baseline in groups, those that chance had made many were fewer today.
    """
    names = sorted({*before, *now})
    known = [name for name in names if before.get(name, 0) + now.get(name, 0) >= LEAST_NAMED]
    others = [name for name in names if name not in set(known)]
    return [[name] for name in known] + ([others] if others else [])


def wilson(right: int, n: int) -> tuple[float, float]:
    """The score interval of E. B. Wilson, 1927, at 95 %."""
    if not n:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.975)
    share, part = right / n, z * z / n
    middle = (share + part / 2) / (1 + part)
    half = z * math.sqrt(share * (1 - share) / n + part / (4 * n)) / (1 + part)
    return max(0.0, middle - half), min(1.0, middle + half)
