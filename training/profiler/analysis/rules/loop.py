"""Rules about the training loop's own timings, and the two that only give statistics.

Definitions and default parameters follow "List of Debugger built-in profiler rules" (SageMaker
Developer Guide); each docstring says what we decided.
"""

from collections import Counter
from dataclasses import asdict

from training.profiler.analysis.measures import cause, step_durations, usage_statistics
from training.profiler.analysis.rules.finding import NothingToJudgeError, Verdict, rule
from training.profiler.analysis.timeline import Timeline

_WORST = 10  # outliers that are listed one by one


@rule("StepOutlier")
def step_outlier(timeline: Timeline, *, stddev: float = 3, n_outliers: int = 10) -> Verdict:
    """StepOutlier: single steps take far longer than the others.

    SageMaker: a step longer than the mean + `stddev` standard deviations is an outlier; triggers
    when there are more than `n_outliers`. Ours: per mode; the first step of a mode (it warms up)
    and steps under torch.profiler do not count; and each outlier's cause is the phase that took
    most of the excess.
    """
    found = [step_durations(timeline.recording.steps, mode, stddev) for mode in ("train", "eval")]
    durations = [mode for mode in found if mode is not None]
    if not durations:
        raise NothingToJudgeError("No two steps of a mode were recorded.")
    outliers = [(step, mode) for mode in durations for step in mode.outliers]
    causes = Counter(cause(step, mode) for step, mode in outliers)
    lost_s = sum(step.seconds - mode.seconds.mean for step, mode in outliers)
    worst = sorted(outliers, key=lambda pair: pair[0].seconds, reverse=True)[:_WORST]
    job = timeline.recording.job
    by = ", ".join(f"{number} by {phase}" for phase, number in causes.most_common(3))
    return Verdict(
        triggered=int(len(outliers) > n_outliers),
        violations=len(outliers),
        datapoints=sum(len(mode.measured) for mode in durations),
        reason=f"{len(outliers)} outliers cost {lost_s:.2f} s{f' ({by})' if by else ''}.",
        recommendation="Look at what they have in common: without the debugger's hook"
        f"{job.hint('debugger hook')} there are no hook outliers, with cached features"
        f"{job.hint('frozen backbone')} fewer data outliers.",
        details={
            "Modes": {
                mode.mode: {
                    "Steps": len(mode.all),
                    "MeanSeconds": round(mode.seconds.mean, 6),
                    "StandardDeviationSeconds": round(mode.standard_deviation_s, 6),
                    "LimitSeconds": round(mode.limit_s, 6),
                    "Outliers": len(mode.outliers),
                }
                for mode in durations
            },
            "Causes": dict(causes),
            "Worst": [
                {
                    "Mode": step.mode,
                    "Epoch": step.epoch,
                    "Step": step.number,
                    "Seconds": round(step.seconds, 6),
                    "Cause": cause(step, mode),
                }
                for step, mode in worst
            ],
        },
    )


@rule("MaxInitializationTime")
def max_initialization_time(
    timeline: Timeline, *, threshold: float = 20, share: float = 50, minimum_s: float = 60
) -> Verdict:
    """MaxInitializationTime: the job takes long until its first step.

    SageMaker: more than `threshold` minutes. Ours besides: more than `share` % of the job and more
    than `minimum_s` seconds, since jobs on cached features are over in minutes. Computing the
    features counts as initialisation: another job could have done it.
    """
    recording = timeline.recording
    if not recording.steps:
        raise NothingToJudgeError("No step was recorded.")
    seconds = timeline.loop_start_s - recording.start_s
    percent = 100 * seconds / (recording.seconds or 1.0)
    triggered = seconds > 60 * threshold or (percent > share and seconds > minimum_s)
    features_s = timeline.seconds("features")
    job = recording.job
    return Verdict(
        triggered=int(triggered),
        violations=int(triggered),
        datapoints=1,
        reason=f"The first step began after {seconds:.1f} s ({percent:.0f} % of the job), of which "
        f"{features_s:.1f} s went to features.",
        recommendation="Compute the features once, in a job of their own, and reuse them"
        f"{job.hint('reused features')}; fewer views of each sample{job.hint('views')} are less "
        "work.",
        details={
            "InitializationSeconds": round(seconds, 2),
            "FeatureSeconds": round(features_s, 2),
        },
    )


@rule("OverallSystemUsage", statistics=True)
def overall_system_usage(timeline: Timeline) -> Verdict:
    """OverallSystemUsage: statistics of every metric, as in SageMaker; it never triggers.

    Percent of all cores (GPUs) for CPU, I/O wait and GPU; bytes a second for disks and network.
    """
    samples = timeline.recording.samples
    details = usage_statistics(samples)
    if not details:
        raise NothingToJudgeError("No system metrics were recorded.")
    reason = f"{len(samples)} samples of the machine."
    return Verdict(datapoints=len(samples), reason=reason, details=details)


@rule("OverallFrameworkMetrics", statistics=True)
def overall_framework_metrics(timeline: Timeline) -> Verdict:
    """OverallFrameworkMetrics: where the time went, as in SageMaker; it never triggers."""
    recording = timeline.recording
    if not recording.steps and not recording.spans:
        raise NothingToJudgeError("No phase or step was recorded.")
    total_s = recording.seconds or 1.0
    details = {
        "TimeShares": {
            share.category: {
                "Seconds": round(share.seconds, 3),
                "Percent": round(100 * share.seconds / total_s, 2),
                "Parts": {name: round(seconds, 3) for name, seconds in share.parts.items()},
            }
            for share in timeline.shares
        },
        "Operators": [asdict(operator) for operator in recording.operators],
    }
    reason = f"{len(recording.steps)} steps in {recording.seconds:.1f} s."
    return Verdict(datapoints=len(recording.steps), reason=reason, details=details)
