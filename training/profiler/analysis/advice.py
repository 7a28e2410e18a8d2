"""The recommendations of a report: what would save most time, and the flag that does it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training.profiler.analysis.quantiles import mean
from training.profiler.analysis.rules.finding import Finding
from training.profiler.analysis.timeline import Timeline

# A share of the job below which nobody would change a flag.
_WORTH_PERCENT = 5.0
_FOREIGN_PERCENT = 15.0  # below it, others are the system itself and this profiler
_COMPUTE = ("forward", "backward", "optimizer")


@dataclass(frozen=True)
class Advice:
    """One recommendation.

    Attributes:
        title: What takes the time.
        text: What to do about it.
        flag: The flag of train.py to change; empty when none helps.
        seconds: The time it is about: an upper bound of what can be saved.
    """

    title: str
    text: str
    flag: str
    seconds: float


def advise(timeline: Timeline, findings: Sequence[Finding]) -> list[Advice]:
    """Recommendations, the largest first; those about less than 5 % of the job are left out."""
    worth_s = _WORTH_PERCENT / 100 * timeline.recording.seconds
    candidates = [*_of_shares(timeline), *_of_rules(timeline, findings)]
    chosen: dict[str, Advice] = {}
    for advice in sorted(candidates, key=lambda advice: advice.seconds, reverse=True):
        if advice.seconds >= worth_s and advice.seconds > 0:
            chosen.setdefault(advice.flag or advice.title, advice)
    return list(chosen.values())


def _of_shares(timeline: Timeline) -> Iterator[Advice]:
    job = timeline.recording.job
    yield Advice(
        "Computing features",
        "Compute them once with --features-only true and give the output to the next jobs as "
        "channel features: they then start at the first epoch.",
        "--features-only",
        timeline.seconds("features"),
    )
    views = job.flag("views")
    if views not in (None, "1"):
        yield Advice(
            f"Features of {views} views of every photo",
            "Each view costs the backbone once more; fewer views cost some accuracy.",
            "--views",
            timeline.seconds("features") * (1 - 1 / max(float(views or 1), 1.0)),
        )
    yield Advice(
        "The debugger's hook",
        "Turn the hook and its rules off once the model trains as it should: --debug false.",
        "--debug",
        timeline.seconds("hook"),
    )
    yield Advice(
        "Waiting for data",
        "Cache features (--unfreeze head) so that no photo is decoded in the loop.",
        "--unfreeze",
        timeline.seconds("data"),
    )
    yield Advice(
        "Forward, backward and optimiser",
        "This is the training itself. A smaller --backbone is faster; --precision bf16 helps on "
        "processors that compute in it."
        if job.flag("unfreeze") not in (None, "head")
        else "This is the training itself. A larger --batch-size makes fewer, fuller steps.",
        "--backbone" if job.flag("unfreeze") not in (None, "head") else "--batch-size",
        timeline.seconds(*_COMPUTE),
    )
    yield Advice(
        "Evaluating after every epoch",
        "Stop sooner: fewer --epochs, or a smaller --patience for the early stopping.",
        "--epochs",
        timeline.seconds("eval"),
    )
    yield Advice(
        "Writing checkpoints",
        "Train less of the network (--unfreeze head): what is not trained is not written.",
        "--unfreeze",
        timeline.seconds("checkpoint"),
    )
    yield Advice(
        "The profiler itself",
        "Turn it off once it has told what it can: --profile false.",
        "--profile",
        timeline.seconds("profiler"),
    )


def _of_rules(timeline: Timeline, findings: Sequence[Finding]) -> Iterator[Advice]:
    """What the rules and the samples tell that has no time share of its own."""
    samples = timeline.recording.samples
    foreign = mean([mean(s.cpu) - s.job_cpu for s in samples if s.cpu and s.job_cpu is not None])
    yield Advice(
        f"Other programs used {foreign:.0f} % of the processors",
        "The job shares its machine and took longer than it would have alone. No flag changes "
        "that; compare only with runs that had the machine for themselves.",
        "",
        foreign / 100 * timeline.recording.seconds if foreign > _FOREIGN_PERCENT else 0.0,
    )
    loop_s = timeline.loop_end_s - timeline.loop_start_s
    flags = {
        "BatchSize": "--batch-size",
        "LoadBalancing": "--batch-size",
        "IOBottleneck": "--views",
    }
    for finding in findings:
        if finding.state == "triggered" and finding.rule in flags:
            share = finding.violations / max(finding.datapoints, 1)
            yield Advice(
                f"{finding.rule}: {finding.reason}",
                finding.recommendation,
                flags[finding.rule],
                share * loop_s,
            )
