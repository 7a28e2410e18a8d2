"""What docs/figures.md says of drift, from the benchmark's result."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from benchmarks.markdown import paragraph, table
from benchmarks.report import read


def section() -> Iterator[str]:
    measured = read("drift")
    quiet = measured["quiet"]
    yield "## Drift"
    yield ""
    yield paragraph(
        f"{measured['photos']} dog photos are changed, answered by the starter model, and drawn "
        "into days for the function of `make drift-watch` (`make benchmark NAME=drift`; "
        f"{measured['seeds']} seeds, measured on {measured['machine']['name']}). The baseline are "
        f"{measured['baseline_photos']} photos as they are; fewer than {measured['least_photos']} "
        "are never judged. Days are drawn from the photos that the baseline is drawn from, so "
        "quiet days differ by chance alone, which flatters. A corner of a photo stands for one "
        "of no dog."
    )
    yield ""
    yield from table(
        ("change of a day's photos", "found within photos", "first by"),
        ((words, _within(runs, measured["sizes"][-1]), _first_by(runs))
         for words, runs in measured["found"].items()),
    )  # fmt: skip
    yield ""
    yield paragraph(
        f"On {quiet['days']} quiet days of {quiet['photos']} photos it called "
        f"{' and '.join(map(str, quiet['false_alarms']))} days changed, a seed each."
    )


def _within(runs: list[dict[str, Any]], most: int) -> str:
    sizes = [run["photos"] for run in runs]
    if None in sizes:
        return f"more than {most:,}"
    return f"{min(sizes):,} to {max(sizes):,}" if min(sizes) < max(sizes) else f"{max(sizes):,}"


def _first_by(runs: list[dict[str, Any]]) -> str:
    figures = Counter(figure.replace("_", " ") for run in runs for figure in run["figures"])
    return ", ".join(figure for figure, _ in figures.most_common(3))
