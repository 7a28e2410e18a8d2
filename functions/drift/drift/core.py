"""A day against what was before: counts, comparison, findings. No AWS client.

The baseline of a model are the first photos that it answered here, BASELINE_PHOTOS of them, in
whole days: the mix of breeds and cameras of a stack is its own, and that of the validation photos
is nobody's. What people said of a model counts from the first day of its baseline.

A day of fewer than LEAST_PHOTOS is looked at together with the days before it, WINDOW_DAYS at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
# Of fewer classified photos no mean confidence is published or compared.
LEAST_CLASSIFIED = 50

State = Literal["no photos", "learning", "too few", "quiet", "drift"]


@dataclass(frozen=True)
class Ports:
    """The tables; a day or a baseline that is not there is None."""

    rows: Callable[[date], Iterable[Row]]
    # Rows whose standing review is of the days from the first to the last, both included.
    reviewed: Callable[[date, date], Iterable[Row]]
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


def look_at(day: date, ports: Ports, over: bool = True) -> Day:
    """Counts a day and compares it; the same again when it is asked for twice.

    A day that is not `over` is compared, and nothing is learned from it. One that was over when it
    was kept loses nothing by photos that are deleted later: the one with more photos stands.
    """
    by_model = counted(ports.rows(day))
    # All were rejected: they count against the model that would have answered them.
    model, counts = max(
        by_model.items(), key=lambda pair: (pair[1].photos, pair[0]), default=("", Counts())
    )
    known = ports.day(day)
    # A day that was kept without the field counts as over.
    if known and known.get("over", True) and int(known["photos"]) > counts.photos:
        findings = [Finding.from_item(one) for one in known["findings"]]
        return Day(day, known["state"], known, findings, {})
    audit = sum(_audits(ports.reviewed(day, day)).values(), _Audit())
    seen = _Seen(day, counts, model or _model_before(day, ports), audit)
    found = _compared(seen, ports, over) if counts.photos else seen.said("no photos")
    found.item["over"] = over
    if known and known.get("published"):
        found.item["published"] = True
    ports.put_day(day, found.item)
    return found


def _compared(seen: _Seen, ports: Ports, over: bool) -> Day:
    if not seen.model:
        return seen.said("learning")
    baseline = ports.baseline(seen.model)
    if baseline is None or not baseline["complete"] or seen.day.isoformat() in baseline["days"]:
        if over and seen.counts.answered:
            _learn(seen, baseline, ports)
        return seen.said("learning")
    window = _window(seen, baseline, ports)
    if window.photos < LEAST_PHOTOS:
        return seen.said("too few")
    before, audit = Counts.from_item(baseline["counts"]), _audit(seen, baseline, ports)
    shifts = compare(before, window)
    findings = [of_shift(one, before, window) for one in shifts if one.found]
    findings += _less_sure(before, window)
    findings += _overconfident(audit)
    day = seen.said("drift" if findings else "quiet", findings)
    figures = {f"Psi {one.figure}": one.psi for one in shifts}
    figures["DriftFindings"] = float(len(findings))
    if window.sure[2] >= LEAST_CLASSIFIED:
        figures["ExpectedAccuracy"], _ = _mean(window)
    if audit.n >= LEAST_AUDITED:
        figures["AuditedAccuracy"] = audit.right / audit.n
    psi = {one.figure: f"{one.psi:.4f}" for one in shifts}
    return replace(day, figures=figures, item=day.item | {"psi": psi, "compared": window.photos})


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


def _learn(seen: _Seen, known: Item | None, ports: Ports) -> None:
    days: list[str] = list(known["days"]) if known else []
    if seen.day.isoformat() in days:
        return
    both = seen.counts + Counts.from_item(known["counts"]) if known else seen.counts
    ports.put_baseline(
        seen.model,
        {
            "days": [*days, seen.day.isoformat()],
            "counts": both.to_item(),
            "complete": both.answered >= BASELINE_PHOTOS,
        },
    )


def _window(seen: _Seen, baseline: Item, ports: Ports) -> Counts:
    """The day, and days before it while there are too few photos; none of the baseline's."""
    window = seen.counts
    for back in range(1, WINDOW_DAYS):
        if window.photos >= LEAST_PHOTOS:
            break
        earlier = seen.day - timedelta(days=back)
        item = None if earlier.isoformat() in baseline["days"] else ports.day(earlier)
        if item is None or item.get("model_version") != seen.model:
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
    """Mean confidence of classified photos, of two at least, and the variance of that mean."""
    total, squares, count = counts.sure
    mean = total / count
    return mean, max(0.0, squares - count * mean * mean) / (count - 1) / count


def _is_more_than_chance(difference: float, variance: float) -> bool:
    z = NormalDist().inv_cdf(1 - 1 / (2 * QUIET_DAYS * FIGURES_IN_ALL))
    return difference * difference > z * z * variance


def _less_sure(before: Counts, now: Counts) -> list[Finding]:
    if min(before.sure[2], now.sure[2]) < LEAST_CLASSIFIED:
        return []
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

    def __add__(self, other: _Audit) -> _Audit:
        return _Audit(self.n + other.n, self.right + other.right, self.sure + other.sure)

    def to_item(self) -> Item:
        return {"n": self.n, "right": self.right, "sure": f"{self.sure:.6f}"}


def _audits(rows: Iterable[Row]) -> dict[str, _Audit]:
    """By the model whose answer was judged."""
    audits: dict[str, _Audit] = {}
    for row in rows:
        review = row.get("review", {})
        answer = review.get("answer", row)
        if row.get("sample") and review.get("verdict") not in (None, "UNSURE") \
                and answer["status"] == "CLASSIFIED":  # fmt: skip
            model = answer.get("model_version", "")
            one = _Audit(1, int(review["verdict"] == "RIGHT"), float(answer["confidence"]))
            audits[model] = audits.get(model, _Audit()) + one
    return audits


def _audit(seen: _Seen, baseline: Item, ports: Ports) -> _Audit:
    """Of the day's model, over AUDIT_DAYS: few photos are reviewed on one.

    From the reviews as they stand: a sum of kept days would count a changed one twice.
    """
    begun = date.fromisoformat(min(baseline["days"]))
    first = max(begun, seen.day - timedelta(days=AUDIT_DAYS - 1))
    return _audits(ports.reviewed(first, seen.day)).get(seen.model, _Audit())


def _overconfident(audit: _Audit) -> list[Finding]:
    n, right = audit.n, audit.right
    if n < LEAST_AUDITED:
        return []
    share, expected = right / n, audit.sure / n
    if expected - share < LEAST_POINTS or not _is_more_than_chance(
        expected - share, max(share * (1 - share), 1 / n) / n
    ):
        return []
    return [of_overconfidence(share, wilson(right, n), expected, n)]


@dataclass(frozen=True)
class _Seen:
    """What a day's rows and reviews are, before they are compared with anything."""

    day: date
    counts: Counts
    model: str
    audit: _Audit  # the reviews of this day, whichever model they judge

    def said(self, state: State, findings: Sequence[Finding] = ()) -> Day:
        item: Item = {
            "state": state,
            "photos": self.counts.photos,
            "counts": self.counts.to_item(),
            "audit": self.audit.to_item(),
            "findings": [finding.to_item() for finding in findings],
            "psi": {},
        }
        if self.model:
            item["model_version"] = self.model
        return Day(self.day, state, item, findings, {})
