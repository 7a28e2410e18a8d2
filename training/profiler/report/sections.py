"""The report's upper part: the job, where the time went, what to change, and the rules."""

import json
from collections.abc import Mapping

from training.profiler.analysis import Advice, Analysis, Finding
from training.profiler.analysis.measures import Quantiles, mean, step_durations
from training.profiler.report.charts import legend, stacked_bar, stacked_columns
from training.profiler.report.markup import Markup, element, join
from training.profiler.report.style import COLOURS
from training.profiler.report.units import count, duration, moment, percent, size

_SLICES = 240
_TOP_ADVICE = 3
_CHIPS = {"triggered": "chip bad", "quiet": "chip good"}


def head(analysis: Analysis) -> Markup:
    """Name, state, times, and the figures that people ask for first."""
    recording = analysis.recording
    job = recording.job
    if job.failure is not None:
        state = element("span", "failed", cls="chip bad")
    elif recording.complete:
        state = element("span", "completed", cls="chip good")
    else:
        state = element("span", "ended without closing the profiler", cls="chip bad")
    when = f"{moment(recording.start_s)} to {moment(recording.end_s)}"
    parts = [
        element("h1", job.name),
        element("p", state, f" Profiler report · {when}" if recording.start_s else "", cls="soft"),
    ]
    if job.failure is not None:
        parts.append(element("pre", job.failure))
    if recording.damaged_lines:
        text = f"{recording.damaged_lines} recorded lines could not be read and were left out."
        parts.append(element("p", text, cls="soft"))
    figures = [
        element("li", element("b", value), element("span", name))
        for name, value in _figures(analysis).items()
    ]
    return element("header", parts, element("ul", figures, cls="figures"))


def _figures(analysis: Analysis) -> dict[str, str]:
    recording = analysis.recording
    figures = {"whole job": duration(recording.seconds)}
    train = step_durations(recording.steps, "train")
    if train:
        figures["training steps"] = count(len(train.all))
        figures["median step"] = duration(train.seconds.p50)
        figures["samples a second in steps"] = f"{train.samples_per_second:,.0f}"
    cpu = Quantiles.of(mean(sample.cpu) for sample in recording.samples if sample.cpu)
    own = Quantiles.of(s.job_cpu for s in recording.samples if s.job_cpu is not None)
    if cpu:
        shown = f" ({own.mean:.0f} % this job)" if own else ""
        figures["mean use of all cores" + shown] = f"{cpu.mean:.0f} %"
    resident = Quantiles.of(s.job_bytes for s in recording.samples if s.job_bytes is not None)
    if resident:
        figures["memory of this job, at most"] = size(resident.maximum)
    judged = [f for f in analysis.findings if f.state in ("triggered", "quiet")]
    fired = sum(finding.state == "triggered" for finding in judged)
    figures[f"of {len(judged)} rules triggered"] = str(fired)
    return figures


def time_section(analysis: Analysis) -> Markup:
    """Where the time went, in one picture, and the recommendations."""
    timeline = analysis.timeline
    recording = analysis.recording
    parts = {share.category: share.seconds for share in timeline.shares}
    total_s = sum(parts.values())
    if not total_s:
        text = "Nothing was recorded: the job ended before its first phase, step or sample."
        return element("section", element("h2", "Where the time went"), element("p", text))
    largest = sorted(parts, key=lambda name: parts[name], reverse=True)[:2]
    summary = " and ".join(f"{percent(parts[name], total_s)} {name}" for name in largest)
    edges = [
        recording.start_s + recording.seconds * number / _SLICES for number in range(_SLICES + 1)
    ]
    values = {
        name: f"{duration(parts[name])} · {percent(parts[name], total_s)}"
        for name in sorted(parts, key=lambda name: -parts[name])
    }
    before_s = timeline.loop_start_s - recording.start_s
    loop_s = timeline.loop_end_s - timeline.loop_start_s
    after_s = recording.end_s - timeline.loop_end_s
    return element(
        "section",
        element("h2", "Where the time went"),
        element("p", f"Of {duration(total_s)}: {summary}."),
        stacked_bar(parts, COLOURS, f"Time shares: {summary}"),
        legend(values, COLOURS),
        element("h3", "Moment by moment"),
        stacked_columns(
            timeline.slices(edges),
            COLOURS,
            seconds=recording.seconds,
            label="What each moment of the job consisted of",
        ),
        element(
            "p",
            f"Initialisation {percent(before_s, total_s)} · training loop "
            f"{percent(loop_s, total_s)} · finalisation {percent(after_s, total_s)}",
            cls="soft",
        ),
        element("h3", "What to change first"),
        _advice(analysis),
    )


def _advice(analysis: Analysis) -> Markup:
    if not analysis.advice:
        text = "Nothing that the job could change takes more than 5 % of the time."
        return element("p", text, cls="soft")
    total_s = analysis.recording.seconds
    cards = [
        element(
            "li",
            element("b", a.title),
            element("p", a.text),
            element(
                "div",
                _hint(analysis, a),
                element("span", f"up to {duration(a.seconds)}, {percent(a.seconds, total_s)}"),
            ),
        )
        for a in analysis.advice[:_TOP_ADVICE]
    ]
    return element("ul", cards, cls="advice")


def further_advice(analysis: Analysis) -> Markup:
    """The recommendations that did not fit on top."""
    rest = analysis.advice[_TOP_ADVICE:]
    if not rest:
        return Markup("")
    items = [
        element("li", element("b", a.title + ". "), a.text + " ", _hint(analysis, a)) for a in rest
    ]
    return element("section", element("h2", "Further recommendations"), element("ul", items))


def _hint(analysis: Analysis, advice: Advice) -> Markup:
    hint = analysis.recording.job.hints.get(advice.lever) if advice.lever else None
    return element("code", hint) if hint else Markup("")


def rules_section(analysis: Analysis) -> Markup:
    """Every rule, the one that triggered most often first."""
    return element(
        "section",
        element("h2", "Rules"),
        [_rule(finding) for finding in analysis.findings if finding.state != "statistics"],
    )


def _rule(finding: Finding) -> Markup:
    state = finding.state + (f" {finding.triggered} times" if finding.triggered > 1 else "")
    looked = (
        f"Violations: {count(finding.violations)} of {count(finding.datapoints)} datapoints. "
        if finding.state != "not evaluated"
        else ""
    )
    advice = (
        element("p", element("b", "Recommendation. "), finding.recommendation)
        if finding.recommendation
        else Markup("")
    )
    parameters = " · ".join(f"{name} {value}" for name, value in finding.parameters.items())
    return element(
        "details",
        element(
            "summary",
            element("b", finding.rule),
            element("span", state, cls=_CHIPS.get(finding.state, "chip")),
            element("span", finding.reason, cls="why"),
        ),
        element(
            "div",
            advice,
            element("p", looked, element("span", parameters, cls="soft")),
            _details(finding.details),
        ),
        open="" if finding.state == "triggered" else None,
    )


def _details(details: Mapping[str, object]) -> Markup:
    if not details:
        return Markup("")
    lines: list[str] = []
    for name, value in details.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines += [f"{name}:", *(f"  {_compact(item)}" for item in value)]
        elif isinstance(value, dict) and any(isinstance(item, dict) for item in value.values()):
            lines += [f"{name}:", *(f"  {key}: {_compact(item)}" for key, item in value.items())]
        else:
            lines.append(f"{name}: {_compact(value)}")
    return element("pre", "\n".join(lines))


def _compact(value: object) -> str:
    """JSON on one line, without the marks that only a machine needs."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_compact(item)}" for key, item in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def page(title: str, style: str, *sections: Markup) -> Markup:
    """The whole document. It allows itself no script and no request of any kind."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return join(
        Markup("<!doctype html>\n"),
        element(
            "html",
            element(
                "head",
                element("meta", charset="utf-8"),
                element("meta", name="viewport", content="width=device-width, initial-scale=1"),
                element("meta", http_equiv="Content-Security-Policy", content=policy),
                element("title", title),
                element("style", Markup(style)),
            ),
            element("body", element("main", sections)),
            lang="en",
        ),
    )
