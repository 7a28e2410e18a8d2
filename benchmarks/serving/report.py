"""The serving benchmark's tables, its picture, and its JSON."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.report import machine
from benchmarks.serving.contenders import CONTENDERS, MIXED, OURS

LIBRARIES = (
    "openvino", "torch", "timm", "uvicorn", "starlette", "ray", "torchserve",
    "sagemaker-inference", "sagemaker-pytorch-inference", "litserve", "fastapi", "aiohttp",
)  # fmt: skip
# Okabe and Ito's colours, told apart by nearly everyone.
COLOURS = (
    "#0072B2", "#56B4E9", "#009E73", "#D55E00", "#E69F00", "#CC79A7", "#000000", "#999999",
)  # fmt: skip
MARKS = "os^Dv*x+"
STYLES: dict[str, dict[str, Any]] = {
    contender.name: {"color": colour, "marker": mark, "linewidth": 1.3}
    for contender, colour, mark in zip(CONTENDERS, COLOURS, MARKS, strict=True)
}
STYLES[OURS]["linewidth"] = 2.6
LOST_AT_MOST = 0.01  # beyond it, the latency of the rest says nothing


def report(
    results: Mapping[str, Any], source: str, rounds: int, settings: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Print everything; returns what serving.json holds."""
    console = Console(width=150)
    told = Table("contender", "settings", title="Contenders")
    for row in settings:
        told.add_row(*row)
    console.print(told)
    for name, result in results.items():
        for table in tables(name, result):
            console.print(table)
        for line in summary(name, result):
            console.print(line)
    return {
        "command": "make benchmark-serving",
        "photos": source,
        "rounds": rounds,
        "machine": machine() | {name: version(name) for name in LIBRARIES},
        "settings": dict(settings),
        "models": results,
    }


def tables(name: str, result: Mapping[str, Any]) -> list[Table]:
    """Closed loop, open loop, answers."""
    bare = result["bare"]
    closed = Table(
        "", "start s", "MB", "clients", "images/s", "p50 ms", "p95", "p99", "CPU ms an image",
        title=f"{name}: one photo a request, closed loop; bare model: "
        f"{bare['passes_of_ten_images_s']:.0f} images/s in passes of ten, "
        f"{bare['lanes_images_s']:.0f} in lanes, one photo {bare['single_ms']:.1f} ms",
    )  # fmt: skip
    opened = Table(
        "", "requests/s", "p50 ms", "p95", "p99", "not answered",
        title=f"{name}: open loop, latency since each request was due",
    )  # fmt: skip
    for contender, found in result["contenders"].items():
        first = [contender, f"{found['start_s']:.1f}"]
        levels = dict(found["closed"])
        if "ten" in found:
            levels["3, ten photos each"] = found["ten"]
        for clients, level in levels.items():
            closed.add_row(
                *first, f"{level['memory_mb']:.0f}", clients, f"{level['images_s']:.1f}",
                *latencies(level), f"{level['cpu_ms_an_image']:.1f}",
            )  # fmt: skip
            first = ["", ""]
        closed.add_section()
        for number, level in enumerate(found["open"]):
            lost = {key: n for key, n in level["outcomes"].items() if key != "200"}
            opened.add_row(
                "" if number else contender, f"{level['rate']:.1f}", *latencies(level),
                outcomes(lost),
            )  # fmt: skip
        opened.add_section()
    made = [closed, opened]
    if result["answers"]:
        answers = Table(
            "", "first label as PyTorch's", "right", "largest change of its probability",
            title=f"{name}: answers to {result['answers'][0]['n']} test photos",
        )  # fmt: skip
        for one in result["answers"]:
            answers.add_row(
                one["contender"], f"{one['first_label_agrees']:.1%}", f"{one['right']:.1%}",
                f"{one['largest_difference']:.4f}",
            )  # fmt: skip
        made.append(answers)
    return made


def summary(name: str, result: Mapping[str, Any]) -> list[str]:
    """Ours beside the others: medians of what each round shows."""
    contenders, lines = result["contenders"], []
    for mine in (OURS, MIXED):
        for other, found in contenders.items():
            if mine not in contenders or other in (OURS, MIXED):
                continue
            pairs = list(zip(contenders[mine]["rounds"], found["rounds"], strict=True))
            times = median(at_16(one) / at_16(their) for one, their in pairs)
            best = median(at_best(one) / at_best(their) for one, their in pairs)
            lines.append(
                f"{name}, images/s of {mine} over {other}: {times:.1f} x at 16 clients, "
                f"{best:.1f} x at the best of each"
            )
    return lines


def at_16(found: Mapping[str, Any]) -> float:
    """A round's images a second with 16 clients."""
    rate: float = found["closed"]["16"]["images_s"]
    return rate


def at_best(found: Mapping[str, Any]) -> float:
    """With as many clients as suit it best."""
    rate: float = max(level["images_s"] for level in found["closed"].values())
    return rate


def lost(level: Mapping[str, Any]) -> float:
    """Share of the requests that were not answered with 200."""
    counts: Mapping[str, int] = level["outcomes"]
    return 1 - counts.get("200", 0) / sum(counts.values())


def latencies(level: Mapping[str, Any]) -> list[str]:
    """p50, p95, p99."""
    return [ms(level[f"p{p}_ms"]) for p in (50, 95, 99)]


def spread(found: Sequence[float], form: str) -> str:
    """Median and range, each in a format such as ".1f"."""
    return f"{median(found):{form}} ({min(found):{form}} to {max(found):{form}})"


def ms(value: float | None) -> str:
    """Milliseconds, or none."""
    return "-" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def outcomes(counts: Mapping[str, int]) -> str:
    """Shares of all, or numbers where few."""
    return ", ".join(f"{n} x {outcome}" for outcome, n in sorted(counts.items())) or "0"


def plot(results: Mapping[str, Any]) -> Figure:
    """A row a model: images a second by clients, and tail latency by rate."""
    mpl.rcParams["svg.hashsalt"] = "serving"
    figure = Figure(figsize=(11, 4.2 * len(results)), layout="constrained")
    axes = figure.subplots(len(results), 2, squeeze=False)
    for (left, right), (name, result) in zip(axes, results.items(), strict=True):
        throughput(left, name, result)
        tails(right, name, result)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def throughput(axis: Axes, name: str, result: Mapping[str, Any]) -> None:
    """Images a second against clients."""
    for contender, found in result["contenders"].items():
        clients = [int(one) for one in found["closed"]]
        rates = [level["images_s"] for level in found["closed"].values()]
        axis.plot(clients, rates, label=contender, **STYLES[contender])
    limit = result["bare"]["lanes_images_s"]
    axis.axhline(limit, color="grey", linestyle="--", linewidth=1, label="the bare model, float32")
    axis.set_xscale("log", base=2)
    axis.set_xticks(clients, [str(one) for one in clients])
    axis.set_ylim(0)
    axis.set_title(f"{name}: images a second", loc="left", fontsize=11)
    axis.set_xlabel("clients, one photo a request")
    tidy(axis)


def tails(axis: Axes, name: str, result: Mapping[str, Any]) -> None:
    """p99 against the rate at which requests come."""
    for contender, found in result["contenders"].items():
        known = [level for level in found["open"] if lost(level) <= LOST_AT_MOST]
        rates, slowest = ([level[key] for level in known] for key in ("rate", "p99_ms"))
        axis.plot(rates, slowest, **STYLES[contender])
    axis.set_yscale("log")
    axis.set_title(f"{name}: p99 in ms, waiting included", loc="left", fontsize=11)
    axis.set_xlabel("requests a second, at random moments; lines end where answers fail")
    tidy(axis)


def tidy(axis: Axes) -> None:
    """Lines that help to read, none that do not."""
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
