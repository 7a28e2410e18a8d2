"""A day against what was before: counts, comparison, findings. No AWS client.

The baseline of a model are the first photos that it answered here, BASELINE_PHOTOS of them, in
whole days: the mix of breeds and cameras of a stack is its own, and that of the validation photos
is nobody's.

A day of fewer than LEAST_PHOTOS is looked at together with the days before it, WINDOW_DAYS at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import NormalDist
from typing import Any, Literal

from drift.histograms import BINS, FIGURES, NAMES, Counts, counted
from drift.statistics import QUIET_DAYS, Shift, by_name, neighbours, shift, wilson
from drift.words import Finding, of_confidence, of_overconfidence, of_shift

Row = Mapping[str, Any]
Item = dict[str, Any]

BASELINE_PHOTOS = 1000
LEAST_PHOTOS = 100
WINDOW_DAYS = 14
# Expected and audited accuracy are two figures more.
FIGURES_IN_ALL = len(FIGURES) + len(NAMES) + 2
# A mean confidence that moved by less is of no consequence.
LEAST_POINTS = 0.03
AUDIT_DAYS, LEAST_AUDITED = 30, 50
# Of fewer classified photos no mean confidence is published.
LEAST_CLASSIFIED = 50

State = Literal["no photos", "learning", "too few", "quiet", "drift"]


@dataclass(frozen=True)
class Ports:
    """The tables; a day or a baseline that is not there is None."""

    rows: Callable[[date], Iterable[Row]]
    # Rows that somebody reviewed on that day.
    reviewed: Callable[[date], Iterable[Row]]
    day: Callable[[date], Item | None]
    put_day: Callable[[date, Item], None]
    baseline: Callable[[str], Item | None]
    put_baseline: Callable[[str, Item], None]


@dataclass(frozen=True)
class Day:
    """What came of a day. `item` is kept; `figures` are published, by name."""

    day: date
    state: State
    item: Item
    findings: Sequence[Finding]
    figures: Mapping[str, float]


def look_at(day: date, ports: Ports) -> Day:
    """Counts a day and compares it; the same again when it is asked for twice."""
    audited = _audit(ports.reviewed(day))
    by_model = counted(ports.rows(day))
    if not by_model:
        return _kept(ports, day, "no photos", Counts(), "", audited)
    model, counts = max(by_model.items(), key=lambda pair: (pair[1].photos, pair[0]))
    # All were rejected: they count against the model that would have answered them.
    model = model or _model_before(day, ports)
    if not model:
        return _kept(ports, day, "learning", counts, "", audited)
    baseline = ports.baseline(model)
    if baseline is None or not baseline["complete"] or day.isoformat() in baseline["days"]:
        _learn(model, day, counts, baseline, ports)
        return _kept(ports, day, "learning", counts, model, audited)
    window = _window(day, model, counts, baseline, ports)
    if window.photos < LEAST_PHOTOS:
        return _kept(ports, day, "too few", counts, model, audited)
    before = Counts.from_item(baseline["counts"])
    shifts = compare(before, window)
    findings = [of_shift(one, before, window) for one in shifts if one.found]
    findings += _less_sure(before, window)
    findings += _overconfident(day, audited, ports)
    return _kept(
        ports, day, "drift" if findings else "quiet", counts, model, audited, shifts, findings,
        window,
    )  # fmt: skip


def compare(before: Counts, now: Counts) -> list[Shift]:
    """Every figure that both have."""
    found = []
    for figure in FIGURES:
        old, new = before.bins.get(figure), now.bins.get(figure)
        if old and new:
            found.append(shift(figure, old, new, neighbours(old, BINS), FIGURES_IN_ALL))
    for name in NAMES:
        told, tells = before.names.get(name), now.names.get(name)
        if told and tells:
            found.append(shift(name, told, tells, by_name(told, tells), FIGURES_IN_ALL))
    return found


def _learn(model: str, day: date, counts: Counts, known: Item | None, ports: Ports) -> None:
    days: list[str] = list(known["days"]) if known else []
    if day.isoformat() in days:
        return
    both = counts + Counts.from_item(known["counts"]) if known else counts
    ports.put_baseline(
        model,
        {
            "days": [*days, day.isoformat()],
            "counts": both.to_item(),
            "complete": both.photos >= BASELINE_PHOTOS,
        },
    )


def _window(day: date, model: str, counts: Counts, baseline: Item, ports: Ports) -> Counts:
    """The day, and days before it while there are too few photos; none of the baseline's."""
    window = counts
    for back in range(1, WINDOW_DAYS):
        if window.photos >= LEAST_PHOTOS:
            break
        earlier = day - timedelta(days=back)
        item = None if earlier.isoformat() in baseline["days"] else ports.day(earlier)
        if item is None or item.get("model_version") != model:
            continue
        window = window + Counts.from_item(item["counts"])
    return window


def _model_before(day: date, ports: Ports) -> str:
    """Who answered on the newest of the days before; "" where none did."""
    for back in range(1, WINDOW_DAYS):
        item = ports.day(day - timedelta(days=back))
        if item and item.get("model_version"):
            return str(item["model_version"])
    return ""


def _mean(counts: Counts) -> tuple[float, float]:
    """Mean confidence of classified photos, and the variance of that mean."""
    total, squares, count = counts.sure
    if count < 2:
        return (total / count if count else 0.0), math.inf
    mean = total / count
    return mean, max(0.0, squares / count - mean * mean) / count


def _is_more_than_chance(difference: float, variance: float) -> bool:
    z = NormalDist().inv_cdf(1 - 1 / (2 * QUIET_DAYS * FIGURES_IN_ALL))
    return difference * difference > z * z * variance


def _less_sure(before: Counts, now: Counts) -> list[Finding]:
    (old, old_variance), (new, new_variance) = _mean(before), _mean(now)
    moved = new - old
    if abs(moved) < LEAST_POINTS or not _is_more_than_chance(moved, old_variance + new_variance):
        return []
    return [of_confidence(old, new, now)]


@dataclass(frozen=True)
class _Audit:
    """Sampled photos that were reviewed: how many, how many right, and how sure the model was."""

    n: int = 0
    right: int = 0
    sure: float = 0.0


def _audit(rows: Iterable[Row]) -> _Audit:
    n = right = 0
    sure = 0.0
    for row in rows:
        review = row.get("review", {})
        answer = review.get("answer", row)
        if row.get("sample") and review.get("verdict") not in (None, "UNSURE") \
                and answer["status"] == "CLASSIFIED":  # fmt: skip
            n, right = n + 1, right + (review["verdict"] == "RIGHT")
            sure += float(answer["confidence"])
    return _Audit(n, right, sure)


def _overconfident(day: date, audited: _Audit, ports: Ports) -> list[Finding]:
    """Of AUDIT_DAYS: few photos are reviewed on one."""
    n, right, sure = audited.n, audited.right, audited.sure
    for back in range(1, AUDIT_DAYS):
        told = (ports.day(day - timedelta(days=back)) or {}).get("audit")
        if told:
            n, right, sure = n + int(told["n"]), right + int(told["right"]), sure + float(
                told["sure"])  # fmt: skip
    if n < LEAST_AUDITED:
        return []
    share, expected = right / n, sure / n
    if expected - share < LEAST_POINTS or not _is_more_than_chance(
        expected - share, max(share * (1 - share), 1 / n) / n
    ):
        return []
    return [of_overconfidence(share, wilson(right, n), expected, n)]


def _kept(
    ports: Ports, day: date, state: State, counts: Counts, model: str, audited: _Audit,
    shifts: Sequence[Shift] = (), findings: Sequence[Finding] = (),
    window: Counts | None = None,
) -> Day:  # fmt: skip
    """`window`: the photos that were compared, where any were."""
    item: Item = {
        "state": state,
        "photos": counts.photos,
        "counts": counts.to_item(),
        "audit": {"n": audited.n, "right": audited.right, "sure": f"{audited.sure:.6f}"},
        "findings": [finding.to_item() for finding in findings],
        "psi": {one.figure: f"{one.psi:.4f}" for one in shifts},
    }
    if model:
        item["model_version"] = model
    figures: dict[str, float] = {}
    if window:
        item["compared"] = window.photos
        figures = {f"Psi {one.figure}": one.psi for one in shifts}
        figures["DriftFindings"] = float(len(findings))
        if window.sure[2] >= LEAST_CLASSIFIED:
            figures["ExpectedAccuracy"], _ = _mean(window)
    if audited.n >= LEAST_AUDITED:
        figures["AuditedAccuracy"] = audited.right / audited.n
    ports.put_day(day, item)
    return Day(day, state, item, findings, figures)
