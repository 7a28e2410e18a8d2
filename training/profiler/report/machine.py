"""The report's pictures of the machine: processors, memory, disks and network."""

from collections.abc import Callable, Mapping

from training.profiler.analysis import Analysis
from training.profiler.analysis.measures import RATES, usage_statistics
from training.profiler.recording import Sample
from training.profiler.report.charts import Line, line_plot
from training.profiler.report.markup import Markup, element, table
from training.profiler.report.style import LINES
from training.profiler.report.units import size


def system_section(analysis: Analysis) -> Markup:
    """Processors, memory, disks and network over time, and their statistics."""
    recording = analysis.recording
    if not recording.samples:
        text = "No system metrics were recorded."
        return element("section", element("h2", "The machine"), element("p", text))
    cpu = _device_lines(analysis, "core", lambda sample: sample.cpu)
    own = _line(analysis, "this job, of all cores", 5, lambda s: s.job_cpu, filled=True)
    memory = [
        _line(analysis, "machine", 0, lambda s: s.memory),
        _line(analysis, "this job", 5, lambda s: s.job_memory, filled=True),
    ]
    disk = [
        _line(analysis, "read", 0, lambda s: s.read),
        _line(analysis, "written", 1, lambda s: s.written),
    ]
    network = [
        _line(analysis, "received", 2, lambda s: s.received),
        _line(analysis, "sent", 3, lambda s: s.sent),
    ]
    waits = [
        _line(
            analysis, "waiting for disks, busiest core", 4, lambda s: max(s.io_wait, default=None)
        )
    ]
    gpu = _device_lines(analysis, "GPU", lambda sample: sample.gpu)
    plots = [
        _percent_plot(analysis, "Processors", [own, *cpu]),
        _percent_plot(analysis, "Memory", memory),
        _rate_plot(analysis, "Disks", disk),
        _rate_plot(analysis, "Network", network),
        _percent_plot(analysis, "Waiting for disks", waits),
        _percent_plot(analysis, "GPUs", gpu)
        if gpu
        else element("div", element("h3", "GPU"), element("p", "No GPU was recorded.", cls="soft")),
    ]
    return element(
        "section",
        element("h2", "The machine"),
        element("p", "The shaded stretch is the training loop.", cls="soft"),
        element("div", plots, cls="two"),
        element("h3", "Statistics"),
        _usage_table(usage_statistics(recording.samples)),
    )


def _device_lines(
    analysis: Analysis, kind: str, values: Callable[[Sample], tuple[float, ...]]
) -> list[Line]:
    """A line for every core or GPU."""

    def of(number: int) -> Callable[[Sample], float | None]:
        return lambda sample: dict(enumerate(values(sample))).get(number)

    most = max((len(values(sample)) for sample in analysis.recording.samples), default=0)
    return [_line(analysis, f"{kind} {number}", number, of(number)) for number in range(most)]


def _line(
    analysis: Analysis,
    name: str,
    colour: int,
    value: Callable[[Sample], float | None],
    filled: bool = False,
) -> Line:
    start_s = analysis.recording.start_s
    values = [(sample.at_s - start_s, value(sample)) for sample in analysis.recording.samples]
    points = [(at_s, found) for at_s, found in values if found is not None]
    return Line(name, LINES[colour % len(LINES)], points, filled)


def _percent_plot(analysis: Analysis, title: str, lines: list[Line]) -> Markup:
    return _plot(analysis, title, lines, 100.0, "100 %")


def _rate_plot(analysis: Analysis, title: str, lines: list[Line]) -> Markup:
    top = max((y for line in lines for _, y in line.points), default=0.0) or 1.0
    return _plot(analysis, title, lines, top, f"{size(top)}/s" if top > 1 else "nothing")


def _plot(analysis: Analysis, title: str, lines: list[Line], top: float, label: str) -> Markup:
    timeline = analysis.timeline
    start_s = analysis.recording.start_s
    loop = (timeline.loop_start_s - start_s, timeline.loop_end_s - start_s)
    figure = line_plot(
        lines,
        seconds=analysis.recording.seconds,
        top=top,
        top_label=label,
        highlight=loop,
        label=f"{title} over the job's time",
    )
    return element("div", element("h3", title), figure)


def _usage_table(usage: Mapping[str, Mapping[str, float]]) -> Markup:
    heads = ("", "max", "p99", "p95", "p50", "min")
    rows = []
    for name, figures in usage.items():
        rate = name in RATES
        values = [figures[head] for head in heads[1:]]
        rows.append([name, *(f"{size(v)}/s" if rate else f"{v:.1f} %" for v in values)])
    return table(heads, rows)
