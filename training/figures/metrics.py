"""Figures of a classifier with their uncertainty: top-1 and top-5 with n and 95 % intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

# The 0.975 quantile of the standard normal distribution: two-sided 95 %.
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Proportion:
    """`hits` out of `n` with the Wilson score interval at 95 %, all on a 0..1 scale."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        """The share itself."""
        return self.hits / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson score interval (E. B. Wilson, JASA 22, 1927), fit for shares near 0 and 1."""
        n, p, z2 = self.n, self.value, _Z95**2
        centre = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = _Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return max(0.0, centre - half), min(1.0, centre + half)

    def to_json(self) -> dict[str, float | int | list[float]]:
        """For metrics.json and the manifest."""
        interval = [round(bound, 4) for bound in self.interval]
        return {"value": round(self.value, 4), "n": self.n, "ci95": interval}


@dataclass(frozen=True)
class Answers:
    """What a model answered to photos whose label is known.

    Each answer is the labels' indices, best first, at most five; an empty one means that the model
    said "no dog", which is wrong for every photo of a labelled data set.
    """

    truth: tuple[int, ...]
    ranked: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if not self.truth or len(self.truth) != len(self.ranked):
            raise ValueError(f"{len(self.truth)} labels for {len(self.ranked)} answers")

    def top(self, k: int) -> Proportion:
        """Share of photos whose label is among the first k of the answer."""
        pairs = zip(self.truth, self.ranked, strict=True)
        return Proportion(sum(label in ranked[:k] for label, ranked in pairs), len(self.truth))

    @property
    def refused(self) -> int:
        """How many photos were answered with "no dog"."""
        return sum(not ranked for ranked in self.ranked)

    def per_class(self, labels: Sequence[str]) -> list[dict[str, object]]:
        """For each label that has photos: n, top-1, and the wrong answers by number."""
        rows = []
        for index, label in enumerate(labels):
            first = [
                ranked[0] if ranked else None
                for truth, ranked in zip(self.truth, self.ranked, strict=True)
                if truth == index
            ]
            if not first:
                continue
            wrong: dict[str, int] = {}
            for answer in first:
                if answer != index:
                    name = "no dog" if answer is None else labels[answer]
                    wrong[name] = wrong.get(name, 0) + 1
            hits = sum(answer == index for answer in first)
            ordered = dict(sorted(wrong.items(), key=lambda item: (-item[1], item[0])))
            rows.append({"label": label, "n": len(first), "top1": hits / len(first),
                         "mistaken_for": ordered})  # fmt: skip
        return rows

    def to_json(self, labels: Sequence[str]) -> dict[str, object]:
        """One split's part of metrics.json."""
        return {
            "top1": self.top(1).to_json(),
            "top5": self.top(5).to_json(),
            "answered_no_dog": self.refused,
            "classes": self.per_class(labels),
        }
