"""Plots as inline SVG, drawn here.

A plot is stretched to the width of its box, so its labels are HTML around it: text in a stretched
SVG would be unreadable on a phone. Lines and dots keep their width (non-scaling strokes).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.profiler.report.markup import Markup, element, join
from training.profiler.report.units import duration

_WIDTH = 1000
_HEIGHT = 100
_MOST_POINTS = 480  # of one line: more than a wide screen can show


@dataclass(frozen=True)
class Line:
    """One line of a plot: its name, CSS colour, and (x, y) points in order of x."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    filled: bool = False


def line_plot(
    lines: Sequence[Line],
    *,
    seconds: float,
    top: float,
    top_label: str,
    highlight: tuple[float, float] | None = None,
    label: str,
) -> Markup:
    """Lines over the job's time, 0 to `seconds`; y from 0 to `top`.

    `highlight` shades a stretch of time. `label` is read to those who cannot see the plot.
    """
    shapes = []
    if highlight:
        left, right = (_WIDTH * _within(edge, seconds) for edge in highlight)
        shapes.append(
            element(
                "rect",
                x=f"{left:.1f}",
                y=0,
                width=f"{right - left:.1f}",
                height=_HEIGHT,
                cls="loop",
            )
        )
    shapes.append(element("path", d=f"M0 {_HEIGHT / 2}H{_WIDTH}", cls="grid"))
    for line in lines:
        places = [
            (_WIDTH * _within(x, seconds), _HEIGHT * (1 - _within(y, top)))
            for x, y in _thinned(line.points)
        ]
        if not places:
            continue
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        if line.filled:
            closed = f"{path}L{places[-1][0]:.1f} {_HEIGHT}L{places[0][0]:.1f} {_HEIGHT}Z"
            shapes.append(element("path", d=closed, cls="area", style=f"fill:{line.colour}"))
        shapes.append(element("path", d=path, cls="line", style=f"stroke:{line.colour}"))
    legend = [element("li", _swatch(line.colour), line.name) for line in lines if line.points]
    return element(
        "figure",
        element("ul", legend, cls="legend"),
        element(
            "div",
            _svg(shapes, label),
            element("span", top_label, cls="top"),
            cls="plot",
        ),
        time_axis(seconds),
    )


def stacked_bar(parts: Mapping[str, float], colours: Mapping[str, str], label: str) -> Markup:
    """One bar, cut in proportion to the parts."""
    total = sum(parts.values())
    pieces = [
        element(
            "span",
            title=f"{name}: {duration(value)}",
            style=f"width:{100 * value / total:.3f}%;background:{colours[name]}",
        )
        for name, value in parts.items()
        if value > 0
    ]
    return element("div", pieces, cls="bar", role="img", aria_label=label)


def stacked_columns(
    slices: Sequence[Mapping[str, float]],
    colours: Mapping[str, str],
    *,
    seconds: float,
    label: str,
) -> Markup:
    """What every slice of the time consisted of; neighbours that are alike become one column."""
    width = _WIDTH / max(len(slices), 1)
    shapes: list[Markup] = []
    first = 0
    shares = [_shares(part) for part in slices]
    for number in range(1, len(shares) + 1):
        if number < len(shares) and shares[number] == shares[first]:
            continue
        bottom = 0.0
        for name in colours:
            height = shares[first].get(name, 0.0) * _HEIGHT
            if height <= 0:
                continue
            bottom += height
            shapes.append(
                element(
                    "rect",
                    element("title", name),
                    x=f"{first * width:.2f}",
                    y=f"{_HEIGHT - bottom:.1f}",
                    width=f"{(number - first) * width:.2f}",
                    height=f"{height:.1f}",
                    style=f"fill:{colours[name]}",
                )
            )
        first = number
    plot = element("div", _svg(shapes, label), cls="plot strip")
    return element("figure", plot, time_axis(seconds))


def dots(
    points: Sequence[tuple[float, float]],
    marked: Sequence[tuple[float, float]],
    *,
    start_s: float,
    seconds: float,
    top: float,
    limit: float,
    label: str,
) -> Markup:
    """Durations over time, from `start_s` on; `marked` stand out; a dashed line at `limit`."""
    y = _HEIGHT * (1 - _within(limit, top))
    shapes = [
        element("path", d=_dots(points, start_s, seconds, top), cls="dots"),
        element("path", d=f"M0 {y:.1f}H{_WIDTH}", cls="limit"),
        element("path", d=_dots(marked, start_s, seconds, top), cls="dots marked"),
    ]
    plot = element(
        "div", _svg(shapes, label), element("span", duration(top), cls="top"), cls="plot tall"
    )
    return element("figure", plot, time_axis(seconds, start_s))


def histogram(values: Sequence[float], *, top: float, limit: float, label: str) -> Markup:
    """How often each duration occurred, on a square-root scale so that rare ones are seen."""
    bins = [0] * 60
    for value in values:
        bins[min(int(_within(value, top) * len(bins)), len(bins) - 1)] += 1
    most = max(bins, default=0) or 1
    width = _WIDTH / len(bins)
    shapes = []
    for number, found in enumerate(bins):
        if found:
            height = max(_HEIGHT * (found / most) ** 0.5, 2)
            beyond = (number + 0.5) / len(bins) * top > limit
            left, right = (duration(top * edge / len(bins)) for edge in (number, number + 1))
            shapes.append(
                element(
                    "rect",
                    element("title", f"{left} to {right}: {found}"),
                    x=f"{number * width + 1:.1f}",
                    y=f"{_HEIGHT - height:.1f}",
                    width=f"{width - 2:.1f}",
                    height=f"{height:.1f}",
                    cls="bin marked" if beyond else "bin",
                )
            )
    x = _WIDTH * _within(limit, top)
    shapes.append(element("path", d=f"M{x:.1f} 0V{_HEIGHT}", cls="limit"))
    axis = [element("span", duration(top * part / 4)) for part in range(5)]
    return element(
        "figure",
        element(
            "div",
            _svg(shapes, label),
            element("span", f"{most:,} steps", cls="top right"),
            cls="plot tall",
        ),
        element("div", axis, cls="axis"),
    )


def legend(values: Mapping[str, str], colours: Mapping[str, str]) -> Markup:
    """Name, colour and value of every part."""
    rows = [
        element("li", _swatch(colours[name]), element("b", name), element("span", values[name]))
        for name in values
    ]
    return element("ul", rows, cls="legend values")


def time_axis(seconds: float, start_s: float = 0.0) -> Markup:
    """Five ticks from `start_s` on, over `seconds`."""
    ticks = [element("span", duration(start_s + seconds * part / 4)) for part in range(5)]
    return element("div", ticks, cls="axis")


def _swatch(colour: str) -> Markup:
    return element("i", style=f"background:{colour}")


def _svg(shapes: Sequence[Markup], label: str) -> Markup:
    return element(
        "svg",
        join(shapes),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )


def _within(value: float, top: float) -> float:
    """`value` as a share of `top`, held between 0 and 1."""
    return min(max(value / top, 0.0), 1.0) if top > 0 else 0.0


def _dots(points: Sequence[tuple[float, float]], start_s: float, seconds: float, top: float) -> str:
    """Lines of no length: with round caps they are dots, which stay round when stretched."""
    places = {
        (
            round(_WIDTH * _within(x - start_s, seconds), 1),
            round(_HEIGHT * (1 - _within(y, top)), 1),
        )
        for x, y in points
    }
    return "".join(f"M{x} {y}h0" for x, y in sorted(places)) or "M0 0"


def _shares(part: Mapping[str, float]) -> dict[str, float]:
    """Shares of 1, rounded so that neighbours that look alike are alike."""
    total = sum(value for value in part.values() if value > 0)
    if total <= 0:
        return {}
    return {name: round(value / total, 2) for name, value in part.items() if value > 0}


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means of equal groups of points, when there are more than a screen can show."""
    size = -(-len(points) // _MOST_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), max(size, 1))]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]
