"""What was found, as a person would say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drift.histograms import BINS, EXAMPLES, Counts
from drift.statistics import Shift

# Less and more of each figure.
_WORDS = {
    "confidence": ("The model is less sure", "The model is surer"),
    "margin": ("The first two guesses are closer", "The first two guesses are further apart"),
    "dog_probability": ("Photos look less like dogs", "Photos look more like dogs"),
    "novelty": ("Dogs look more like the breeds that the model knows",
                "Dogs look less like the breeds that the model knows"),
    "brightness": ("Photos have become darker", "Photos have become brighter"),
    "saturation": ("Photos have become greyer", "Photos have become more colourful"),
    "sharpness": ("Photos have become blurred", "Photos have become sharper"),
    "pixels": ("Photos have become smaller, in pixels", "Photos have become larger, in pixels"),
    "bytes": ("Files have become smaller", "Files have become larger"),
}  # fmt: skip
_NAMED = 3


@dataclass(frozen=True)
class Finding:
    """`figure` moved; `examples` are keys of photos of the day that show it."""

    figure: str
    words: str
    examples: tuple[str, ...] = ()

    def to_item(self) -> dict[str, Any]:
        return {"figure": self.figure, "words": self.words, "examples": list(self.examples)}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Finding:
        return cls(item["figure"], item["words"], tuple(item["examples"]))


def of_shift(shift: Shift, before: Counts, now: Counts) -> Finding:
    if shift.figure in before.names:
        words = _names(shift.figure, before.names[shift.figure], now.names[shift.figure])
    else:
        words = _direction(shift.figure, before, now)
    return Finding(
        shift.figure, f"{words} (stability index {shift.psi:.2f}).", _examples(shift, now)
    )


def _direction(figure: str, before: Counts, now: Counts) -> str:
    less, more = _WORDS[figure]
    old, new = (_middle(counts.bins[figure]) for counts in (before, now))
    if abs(new - old) < 1 / BINS:  # as much as before, but spread otherwise
        return f"The spread of {figure.replace('_', ' ')} is another one"
    return less if new < old else more


def _middle(bins: Mapping[int, int]) -> float:
    return sum((at + 0.5) * count for at, count in bins.items()) / BINS / sum(bins.values())


def _names(figure: str, before: Mapping[str, int], now: Mapping[str, int]) -> str:
    old, new = sum(before.values()), sum(now.values())
    moved = {name: now.get(name, 0) / new - before.get(name, 0) / old for name in {*before, *now}}
    grown = sorted((name for name in moved if moved[name] > 0), key=lambda name: -moved[name])
    told = ", ".join(
        f"{name.replace('_', ' ')} {before.get(name, 0) / old:.0%} to {now[name] / new:.0%}"
        for name in grown[:_NAMED]
    )
    what = "Answers are of another kind" if figure == "status" else "Breeds are another mix"
    return f"{what}, more of: {told}"


def _examples(shift: Shift, now: Counts) -> tuple[str, ...]:
    kept = now.examples.get(shift.figure, {})
    found = [key for where in shift.grown for key in kept.get(where, ())]  # type: ignore[call-overload]
    return tuple(found[:EXAMPLES])


def of_confidence(old: float, new: float, now: Counts) -> Finding:
    points = round(100 * abs(new - old))
    way = "less" if new < old else "more"
    kept = now.examples.get("confidence", {})
    unsure = sorted((where for where in kept if isinstance(where, int)), reverse=new > old)
    keys = [key for where in unsure for key in kept[where]]
    words = f"The model is {points} points {way} sure: {new:.0%} on average, {old:.0%} before."
    return Finding("expected accuracy", words, tuple(keys[:EXAMPLES]))


def of_overconfidence(
    share: float, interval: tuple[float, float], expected: float, n: int
) -> Finding:
    low, high = interval
    return Finding(
        "audited accuracy",
        f"The model is right less often than it says: people call {share:.0%} of {n} sampled "
        f"photos right ({low:.0%} to {high:.0%}), it is {expected:.0%} sure of them.",
    )


def message(stack: str, day: str, findings: list[Finding], photos: int) -> str:
    """The mail."""
    lines = [f"{stack}, {day}, {photos} photos:", ""]
    for finding in findings:
        lines.append(f"- {finding.words}")
        lines += [f"    {key}" for key in finding.examples]
    lines += ["", f"make drift STACK={stack} shows all days."]
    return "\n".join(lines)
