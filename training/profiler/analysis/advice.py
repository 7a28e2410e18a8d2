"""The recommendations of a report: what would save most time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training.profiler.analysis.measures import mean
from training.profiler.analysis.rules.finding import Finding
from training.profiler.analysis.timeline import Timeline
from training.profiler.facts import Lever

# A share of the job below which nobody would change anything.
_WORTH_PERCENT = 5.0
_FOREIGN_PERCENT = 15.0  # below it, others are the system itself and this profiler
_COMPUTE = ("forward", "backward", "optimizer")
# What takes the time, the categories that it is, and what to change. Of several rows with the same
# title the first counts whose lever the job has.
_REMEDIES: tuple[tuple[str, tuple[str, ...], Lever, str], ...] = (
    ("Computing features", ("features",), "reused features",
     "Compute them once and reuse them in the next jobs, which then start at the first epoch."),
    ("The debugger's hook", ("hook",), "debugger hook",
     "Turn the hook and its rules off once the model trains as it should."),
    ("Waiting for data", ("data",), "frozen backbone",
     "Freeze the backbone and cache its features, so that nothing is decoded in the loop."),
    ("Waiting for data", ("data",), "loader workers",
     "Load with as many processes as there are cores."),
    ("Waiting for data", ("data",), "batch size", "A larger batch makes fewer, fuller steps."),
    ("Forward, backward and optimiser", _COMPUTE, "network",
     "This is the training itself. A smaller backbone is faster; bf16 helps on processors that "
     "compute in it."),
    ("Forward, backward and optimiser", _COMPUTE, "batch size",
     "This is the training itself. A larger batch makes fewer, fuller steps."),
    ("Evaluating after every epoch", ("eval",), "epochs",
     "Stop sooner: fewer epochs, or less patience in the early stopping."),
    ("Writing checkpoints", ("checkpoint",), "frozen backbone",
     "Train less of the network: what is not trained is not written."),
    ("The profiler itself", ("profiler",), "profiler",
     "Turn it off once the report has answered your questions."),
)  # fmt: skip
# The rules whose recommendation is about time.
_RULES: dict[str, Lever] = {
    "BatchSize": "batch size",
    "LoadBalancing": "batch size",
    "IOBottleneck": "views",
}


@dataclass(frozen=True)
class Advice:
    """One recommendation.

    Attributes:
        title: What takes the time.
        text: What to do about it.
        lever: What to change; None when nothing in the job helps.
        seconds: The time it is about: an upper bound of what can be saved.
    """

    title: str
    text: str
    lever: Lever | None
    seconds: float


def advise(timeline: Timeline, findings: Sequence[Finding]) -> list[Advice]:
    """Recommendations, the largest first; those about less than 5 % of the job are left out."""
    worth_s = _WORTH_PERCENT / 100 * timeline.recording.seconds
    candidates = [*_of_shares(timeline), *_of_rules(timeline, findings)]
    chosen: dict[str, Advice] = {}
    for advice in sorted(candidates, key=lambda advice: advice.seconds, reverse=True):
        if advice.seconds >= worth_s and advice.seconds > 0:
            chosen.setdefault(advice.lever or advice.title, advice)
    return list(chosen.values())


def _of_shares(timeline: Timeline) -> Iterator[Advice]:
    job = timeline.recording.job
    advised: set[str] = set()
    for title, categories, lever, text in _REMEDIES:
        if title not in advised and job.has(lever):
            advised.add(title)
            yield Advice(title, text, lever, timeline.seconds(*categories))
    if job.views > 1:
        yield Advice(
            f"Features of {job.views} views of every sample",
            "Each view costs the backbone once more; fewer views cost some accuracy.",
            "views",
            timeline.seconds("features") * (1 - 1 / job.views),
        )


def _of_rules(timeline: Timeline, findings: Sequence[Finding]) -> Iterator[Advice]:
    """What the rules and the samples show that has no time share of its own."""
    samples = timeline.recording.samples
    foreign = mean([mean(s.cpu) - s.job_cpu for s in samples if s.cpu and s.job_cpu is not None])
    yield Advice(
        f"Other programs used {foreign:.0f} % of the processors",
        "The job shares its machine and took longer than it would have alone. Nothing in the job "
        "changes that; compare only with runs that had the machine for themselves.",
        None,
        foreign / 100 * timeline.recording.seconds if foreign > _FOREIGN_PERCENT else 0.0,
    )
    loop_s = timeline.loop_end_s - timeline.loop_start_s
    for finding in findings:
        if finding.state == "triggered" and finding.rule in _RULES:
            share = finding.violations / max(finding.datapoints, 1)
            yield Advice(
                f"{finding.rule}: {finding.reason}",
                finding.recommendation,
                _RULES[finding.rule],
                share * loop_s,
            )
