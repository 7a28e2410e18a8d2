"""The report's lower part: measurements of the steps, the data and the operators."""

from itertools import pairwise

from training.profiler.analysis import Analysis
from training.profiler.analysis.measures import Quantiles, StepDurations, step_durations
from training.profiler.report.charts import (
    dots,
    histogram,
    legend,
    stacked_bar,
)
from training.profiler.report.markup import Markup, element, table
from training.profiler.report.style import COLOURS
from training.profiler.report.units import count, duration, percent

_OPERATORS = 15
_METER_PX = 90
_STALL_S = 5.0  # ten samples missed in a row: the sampler was not given a processor


def step_section(analysis: Analysis) -> Markup:
    """Durations of the steps of each mode, outliers marked."""
    finding = next(f for f in analysis.findings if f.rule == "StepOutlier")
    modes = [step_durations(analysis.recording.steps, mode) for mode in ("train", "eval")]
    found = [_mode(analysis, mode) for mode in modes if mode]
    if not found:
        found = [element("p", "No two steps of a mode were recorded.")]
    return element("section", element("h2", "Steps"), element("p", finding.reason), found)


def _mode(analysis: Analysis, mode: StepDurations) -> Markup:
    timeline = analysis.timeline
    start_s = analysis.recording.start_s
    outliers = set(map(id, mode.outliers))
    points = [
        (step.end_s - start_s, step.seconds) for step in mode.measured if id(step) not in outliers
    ]
    marked = [(step.end_s - start_s, step.seconds) for step in mode.outliers]
    top = min(mode.seconds.maximum, max(4 * mode.seconds.p99, 1.2 * mode.limit_s)) or 1.0
    beyond = sum(step.seconds > top for step in mode.measured)
    note = f" {count(beyond)} longer ones are drawn at the edge." if beyond else ""
    rows = [
        [
            mode.mode,
            count(len(mode.all)),
            *(
                duration(getattr(mode.seconds, name))
                for name in ("mean", "p50", "p95", "p99", "maximum")
            ),
            count(len(mode.outliers)),
        ]
    ]
    heads = ("mode", "steps", "mean", "p50", "p95", "p99", "max", "outliers")
    return element(
        "div",
        element("h3", f"{mode.mode} steps"),
        table(heads, rows),
        element(
            "div",
            dots(
                points,
                marked,
                start_s=timeline.loop_start_s - start_s,
                seconds=timeline.loop_end_s - timeline.loop_start_s,
                top=top,
                limit=mode.limit_s,
                label=f"Durations of {mode.mode} steps over the training loop",
            ),
            histogram(
                [step.seconds for step in mode.measured],
                top=top,
                limit=mode.limit_s,
                label=f"Histogram of {mode.mode} step durations",
            ),
            cls="two",
        ),
        element(
            "p",
            f"Red: longer than mean + 3 standard deviations ({duration(mode.limit_s)}, dashed). "
            f"Bars grow with the square root of the number of steps.{note}",
            cls="soft",
        ),
    )


def data_section(analysis: Analysis) -> Markup:
    """What a mean training step consists of, and how long it waits for its data."""
    title = element("h2", "A training step, and its data")
    mode = step_durations(analysis.recording.steps, "train")
    finding = next(f for f in analysis.findings if f.rule == "Dataloader")
    if mode is None:
        return element("section", title, element("p", "Too few training steps were recorded."))
    order = [name for name in COLOURS if name in mode.mean_phases]
    parts = {name: mode.mean_phases[name] for name in order}
    parts["loop"] = max(mode.seconds.mean - sum(parts.values()), 0.0)
    values = {
        name: f"{duration(seconds)} · {percent(seconds, mode.seconds.mean)}"
        for name, seconds in parts.items()
    }
    waits = Quantiles.of(step.phases.get("data", 0.0) for step in mode.measured)
    heads = ("waiting for data", "p50", "p95", "p99", "max")
    figures = (waits.p50, waits.p95, waits.p99, waits.maximum) if waits else ()
    return element(
        "section",
        title,
        element("p", f"{duration(mode.seconds.mean)} on average. {finding.reason}"),
        stacked_bar(parts, COLOURS, "What a mean training step consists of"),
        legend(values, COLOURS),
        table(heads, [["a step", *map(duration, figures)]]),
    )


def operator_section(analysis: Analysis) -> Markup:
    """PyTorch's operators by their own CPU time."""
    recording = analysis.recording
    title = element("h2", "Operators")
    if not recording.operators:
        text = "No operators were traced in this job (Profiler.operators)."
        return element("section", title, element("p", text, cls="soft"))
    total_us = recording.operator_us or 1.0
    largest_us = recording.operators[0].self_cpu_us or 1.0
    rows = [
        [
            operator.name,
            count(operator.calls),
            duration(operator.self_cpu_us / 1e6),
            percent(operator.self_cpu_us, total_us),
            element(
                "span",
                cls="meter",
                style=f"width:{_METER_PX * operator.self_cpu_us / largest_us:.0f}px",
            ),
        ]
        for operator in recording.operators[:_OPERATORS]
    ]
    traced = sum(step.traced for step in recording.steps)
    return element(
        "section",
        title,
        element("p", f"Own CPU time, over {count(traced)} traced steps.", cls="soft"),
        table(("operator", "calls", "own time", "share", ""), rows),
    )


def detail_section(analysis: Analysis) -> Markup:
    """What the categories consist of, the job's flags, and what the recording holds."""
    recording = analysis.recording
    total_s = recording.seconds
    rows = []
    for share in analysis.timeline.shares:
        rows.append([share.category, duration(share.seconds), percent(share.seconds, total_s)])
        parts = {name: seconds for name, seconds in share.parts.items() if seconds > 1e-4}
        if len(parts) > 1:
            rows += [
                [
                    f"\u2003{'itself' if name == share.category else name}",
                    duration(s),
                    percent(s, total_s),
                ]
                for name, s in sorted(parts.items(), key=lambda pair: -pair[1])
            ]
    flags = [
        [f"--{name.replace('_', '-')}", str(value)] for name, value in recording.job.flags.items()
    ]
    times = [sample.at_s for sample in recording.samples]
    gap_s = max((after - before for before, after in pairwise(times)), default=0.0)
    held = (
        f"{count(len(recording.samples))} system samples, {count(len(recording.steps))} steps, "
        f"{count(len(recording.spans))} phases between steps. "
        f"Longest time without a sample: {duration(gap_s)}"
        + (" (the whole machine stood still)." if gap_s > _STALL_S else ".")
    )
    return element(
        "section",
        element("h2", "Details"),
        element("div", table(("time", "seconds", "share"), rows), _flags(flags), cls="two"),
        element("p", held, cls="soft"),
    )


def _flags(rows: list[list[str]]) -> Markup:
    if not rows:
        return element("p", "The job's flags were not recorded.", cls="soft")
    return table(("flag", "value"), rows)
