"""The page of `make drift`: a curve a figure, and what was found, with photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from drift.statistics import LEAST_PSI, USUAL_LEAST_PSI, least_psi

from training.contest.page import Markup, document, element, join, section, thumbnail

if TYPE_CHECKING:
    from operate.drift import Day

_WIDTH, _HEIGHT, _PAD = 320, 90, 6
# Above it Siddiqi (2006) calls a population another one: curves of an index reach up to it.
_LARGE = 0.25
_NEWEST = 10

Picture = Callable[[str], bytes | None]


def page(stack: str, days: Sequence[Day], picture: Picture) -> str:
    figures = sorted({figure for day in days for figure in day.psi})
    curves = [
        _curve(
            figure.replace("_", " "),
            [day.psi.get(figure) for day in days],
            _LARGE,
            least_psi(figure),
        )
        for figure in figures
    ]
    return document(
        f"{stack}: are photos and answers what they were?",
        element("p", _headline(days), cls="verdict " + ("bad" if days[-1].findings else "good")),
        section(
            "How sure, and how right",
            element("div", *_accuracy(days), cls="flips"),
            element(
                "p",
                "How sure the model is on average, which is how often it expects to be right; and "
                "what people say of sampled photos, where they have reviewed some that day.",
                cls="soft",
            ),
        ),
        section(
            "Each figure against its baseline",
            element("div", *curves, cls="flips")
            if curves
            else element("p", "Nothing was compared yet: the baseline is still being made."),
            element(
                "p",
                f"Population stability index, a day a point. The dashed line is {USUAL_LEAST_PSI}, "
                f"for status (kinds of answer) {LEAST_PSI['status']}: below it nothing is said. "
                "What is above it is a finding only where it is more than chance.",
                cls="soft",
            ),
        ),
        *_findings(days, picture),
    )


def _headline(days: Sequence[Day]) -> str:
    last = days[-1]
    if last.findings:
        return f"{last.day}: " + " ".join(words for words, _ in last.findings)
    states = {
        "learning": "the baseline is being made of the first photos of this model.",
        "too few": "there were too few photos to say.",
        "no photos": "there was no photo.",
        "quiet": "nothing has changed.",
    }
    return f"{last.day}: {states.get(last.state, last.state)} {last.photos:,} photos."


def _accuracy(days: Sequence[Day]) -> list[Markup]:
    audited = [right / n if n else None for right, n in (day.audited for day in days)]
    return [
        _curve("how sure the model is", [day.sure for day in days], 1.0),
        _curve("right, of reviewed", audited, 1.0),
    ]


def _curve(
    title: str, values: Sequence[float | None], least_top: float, level: float | None = None
) -> Markup:
    """An index with a dashed line at `level`; without one the values are shares."""
    known = [value for value in values if value is not None]
    top = max([least_top, *known])
    step = (_WIDTH - 2 * _PAD) / max(1, len(values) - 1)

    def height(value: float) -> float:
        return _HEIGHT - _PAD - (_HEIGHT - 2 * _PAD) * value / top

    points = [
        (_PAD + at * step, height(value)) for at, value in enumerate(values) if value is not None
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [
        element(
            "polyline", points=line, fill="none", stroke="currentColor", stroke_width="2",
            stroke_linejoin="round",
        )
    ]  # fmt: skip
    parts += [
        element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="2.5", fill="currentColor")
        for x, y in points
    ]
    if level is not None:
        at = f"{height(level):.1f}"
        parts.append(
            element(
                "line", x1="0", x2=str(_WIDTH), y1=at, y2=at, stroke="currentColor",
                stroke_dasharray="4 4", opacity="0.5",
            )
        )  # fmt: skip
    newest = known[-1] if known else None
    told = "none yet" if newest is None else f"{newest:.0%}" if level is None else f"{newest:.2f}"
    drawing = element(
        "svg", *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", width="100%", role="img",
        aria_label=f"{title}: {told}",
    )  # fmt: skip
    return element(
        "figure",
        element("div", element("p", element("strong", title), f" {told}"), drawing, style="flex:1"),
        cls="flip",
    )


def _findings(days: Sequence[Day], picture: Picture) -> list[Markup]:
    found = [day for day in reversed(days) if day.findings][:_NEWEST]
    return [
        section(
            day.day,
            *(
                join(
                    element("p", words),
                    element("div", *(_photo(key, picture) for key in keys), cls="flips"),
                )
                for words, keys in day.findings
            ),
        )
        for day in found
    ]


def _photo(key: str, picture: Picture) -> Markup:
    content = picture(key)
    source = thumbnail(content) if content else None
    shown = element("img", src=source, alt="") if source else element("div", cls="none")
    return element("figure", shown, element("div", element("p", key)), cls="flip")
