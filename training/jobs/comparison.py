"""Is the deployed pipeline as good as the training job said? Figures from rows against its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.figures.metrics import Proportion
from training.jobs.errors import UsageError
from training.jobs.evaluate import Result

# The function sends the model a JPEG of its own making. On 300 photos that changed the answer for 3
# (functions/classify/classify/images.py, JPEG_QUALITY); twice that share is allowed for here.
CHANGED_SHARE = 0.02
_SIGMAS = 3.0


@dataclass(frozen=True)
class Offline:
    """What the training job measured on its test split, on a 0..1 scale; which model that was."""

    version: str
    top1: float
    top5: float
    n: int


@dataclass(frozen=True)
class Verdict:
    """`problem` is empty when the pipeline is as good as the job said, else it says what is not."""

    offline: Offline
    tolerance: float
    problem: str


def offline_figure(manifest: Mapping[str, Any]) -> Offline:
    """From a model package's manifest. Raises UsageError for a model without a test figure."""
    try:
        test = manifest["origin"]["metrics"]["test"]
        top1, top5 = test["top1"], test["top5"]
        return Offline(manifest["version"], top1["value"], top5["value"], top1["n"])
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"The model package {manifest.get('name')} holds no figure for a test split "
            f"({error!r} is missing in its manifest's origin); was it made by `make train`?"
        ) from error


def tolerance(n: int) -> float:
    """By how much a share may differ from the offline figure on the same `n` photos.

    The copy changes the answer for a small share of photos, about as often for the better as for
    the worse: the net change in hits has a standard deviation of sqrt(share x n). Three of those
    are allowed. 840 photos: 1.5 points. 70 photos: 5.1 points.
    """
    return _SIGMAS * math.sqrt(CHANGED_SHARE / n)


def compare(result: Result, offline: Offline) -> Verdict:
    """Same model, same photos, same accuracy within the tolerance?"""
    allowed = tolerance(result.top1.n)
    others = result.versions.keys() - {offline.version}
    problem = ""
    if others:
        problem = f"rows come from model {', '.join(sorted(others))}, not {offline.version}"
    elif not 0 <= result.top1.n - offline.n <= result.statuses.get("REJECTED", 0):
        # The job skips photos that cannot be read; here they are rejected.
        problem = f"{result.top1.n} photos here, {offline.n} in the job: another data set"
    else:
        for name, found, expected in (
            ("top-1", result.top1.value, offline.top1),
            ("top-5", result.top5.value, offline.top5),
        ):
            if abs(found - expected) > allowed:
                problem = f"{name} differs by {abs(found - expected):.2%}, more than {allowed:.2%}"
                break
    return Verdict(offline, allowed, problem)


def words(result: Result, verdict: Verdict) -> list[str]:
    """The report in lines."""
    statuses = ", ".join(f"{count} {name}" for name, count in sorted(result.statuses.items()))
    offline = verdict.offline
    return [
        f"{result.top1.n} photos in {result.seconds:.0f} s: {statuses} (NO_DOG and REJECTED count "
        "as wrong, UNKNOWN_BREED by its nearest breeds)",
        f"top-1 {_share(result.top1)}, top-5 {_share(result.top5)} from the rows",
        f"{_share(result.named)} of the rows have the right breed",
        f"top-1 {offline.top1:.2%}, top-5 {offline.top5:.2%} (n = {offline.n}) by the job, "
        f"model {offline.version}",
        f"tolerance {verdict.tolerance:.2%}: {verdict.problem or 'within'}",
        *(one.words() for one in result.coverage),
    ]


def to_json(result: Result, verdict: Verdict) -> dict[str, Any]:
    """For evaluation.json."""
    return {
        "top1": result.top1.to_json(),
        "top5": result.top5.to_json(),
        "named": result.named.to_json(),
        "statuses": result.statuses,
        "model_versions": result.versions,
        "seconds": round(result.seconds, 1),
        "offline": {"top1": verdict.offline.top1, "top5": verdict.offline.top5},
        "tolerance": round(verdict.tolerance, 4),
        "problem": verdict.problem,
        "coverage": [one.to_json() for one in result.coverage],
    }


def _share(proportion: Proportion) -> str:
    low, high = proportion.interval
    return f"{proportion.value:.2%} (n = {proportion.n}, 95 % interval {low:.2%} to {high:.2%})"
