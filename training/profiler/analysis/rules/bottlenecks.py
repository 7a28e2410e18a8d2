"""Rules about what the model waits for: processors, disks, the data loader.

Definitions and default parameters follow "List of Debugger built-in profiler rules" (SageMaker
Developer Guide). Those rules ask whether a GPU waits. Where a job has no GPU the CPU does the
model's mathematics and should be busy: each docstring says what we decided for that case.
"""

from collections.abc import Sequence

from training.profiler.analysis.measures import Quantiles, mean
from training.profiler.analysis.rules.finding import (
    PATIENCE,
    NothingToJudgeError,
    Verdict,
    count,
    require,
    rule,
)
from training.profiler.analysis.timeline import Timeline
from training.profiler.recording import Sample

# What a CPU does for a training job that is not the model's mathematics.
_OVERHEAD = ("data", "hook", "checkpoint", "profiler")


@rule("CPUBottleneck")
def cpu_bottleneck(
    timeline: Timeline,
    *,
    threshold: float = 50,
    gpu_threshold: float = 10,
    cpu_threshold: float = 90,
    overhead_threshold: float = 50,
    patience: int = PATIENCE,
) -> Verdict:
    """CPUBottleneck: the processors are busy with other things than the model.

    SageMaker: a datapoint with a CPU above `cpu_threshold` % while a GPU is below `gpu_threshold`
    %; triggers above `threshold` % of them. Ours, without a GPU: the cores' mean is above
    `cpu_threshold` % while `overhead_threshold` % of the time or more goes to loading data, the
    debugger's hook, checkpoints or the profiler.
    """
    samples = [sample for sample in timeline.recording.samples if sample.cpu]
    require(samples, patience)
    overhead = _overhead_percent(timeline, samples)
    busy = [mean(sample.cpu) > cpu_threshold for sample in samples]
    violating = [
        max(sample.cpu) > cpu_threshold and min(sample.gpu) < gpu_threshold
        if sample.gpu
        else is_busy and percent >= overhead_threshold
        for sample, is_busy, percent in zip(samples, busy, overhead, strict=True)
    ]
    triggered, violations = count(samples, violating, threshold, patience)
    foreign = [mean(s.cpu) - s.job_cpu for s in samples if s.job_cpu is not None]
    job = timeline.recording.job
    return Verdict(
        triggered=triggered,
        violations=violations,
        datapoints=len(samples),
        reason=f"The processors were busy in {100 * mean(busy):.0f} % of the time; in "
        f"{100 * mean(violating):.0f} % of it with other things than the model.",
        recommendation="Take work off the loop: cache features"
        f"{job.hint('frozen backbone', 'reused features')} and leave the debugger's hook off"
        f"{job.hint('debugger hook')}.",
        details={
            "SamplesWithBusyCPU": sum(busy),
            "MeanOverheadPercent": round(mean(overhead), 1),
            "MeanCPUOfOthersPercent": round(max(mean(foreign), 0), 1) if foreign else None,
        },
    )


@rule("IOBottleneck")
def io_bottleneck(
    timeline: Timeline,
    *,
    threshold: float = 50,
    gpu_threshold: float = 10,
    io_threshold: float = 50,
    patience: int = PATIENCE,
) -> Verdict:
    """IOBottleneck: processors wait for disks.

    SageMaker: a datapoint with a core's I/O wait above `io_threshold` % while a GPU is below
    `gpu_threshold` %; triggers above `threshold` % of them. Ours, without a GPU: the same without
    the condition on the GPU. I/O wait is idle time: a core that finds other work does not show it.
    """
    samples = [sample for sample in timeline.recording.samples if sample.io_wait]
    require(samples, patience)
    violating = [
        max(sample.io_wait) > io_threshold and (not sample.gpu or min(sample.gpu) < gpu_threshold)
        for sample in samples
    ]
    triggered, violations = count(samples, violating, threshold, patience)
    waiting = Quantiles.of(max(sample.io_wait) for sample in samples)
    reads = Quantiles.of(sample.read for sample in samples if sample.read is not None)
    job = timeline.recording.job
    return Verdict(
        triggered=triggered,
        violations=violations,
        datapoints=len(samples),
        reason=f"A core waited for disks for more than {io_threshold:g} % of its time in "
        f"{violations} of {len(samples)} samples.",
        recommendation=f"Read the data once: cache features{job.hint('reused features')} or take "
        f"fewer views of each sample{job.hint('views')}; or use a faster volume.",
        details={
            "IOWaitPercent": waiting.rounded() if waiting else None,
            "ReadBytesPerSecond": reads.rounded(0) if reads else None,
        },
    )


@rule("Dataloader")
def data_loader(
    timeline: Timeline,
    *,
    min_threshold: float = 70,
    max_threshold: float = 200,
    wait_threshold: float = 20,
    job_threshold: float = 2,
) -> Verdict:
    """Dataloader: the loop waits for its data, or has the wrong number of processes to load it.

    SageMaker: the number of data-loading processes is below `min_threshold` % or above
    `max_threshold` % of the cores. Ours: the same where there are such processes, and besides: the
    training steps spend more than `wait_threshold` % of their time in the phase "data", which must
    be `job_threshold` % of the job at least. A violation is a step above `wait_threshold`.
    """
    steps, job = timeline.train_steps, timeline.recording.job
    if not steps:
        raise NothingToJudgeError("No training step was recorded.")
    waits = [step.phases.get("data", 0.0) for step in steps]
    total_s = sum(step.seconds for step in steps)
    wait_percent = 100 * sum(waits) / total_s if total_s else 0.0
    job_percent = 100 * sum(waits) / (timeline.recording.seconds or 1.0)
    slow = wait_percent > wait_threshold and job_percent >= job_threshold
    workers = job.workers
    cores = max((len(sample.cpu) for sample in timeline.recording.samples), default=0)
    worker_percent = 100 * workers / cores if workers and cores else None
    unfit = worker_percent is not None and not min_threshold <= worker_percent <= max_threshold
    staff = f" {workers} loading processes on {cores} cores." if worker_percent is not None else ""
    return Verdict(
        triggered=int(slow or unfit),
        violations=sum(
            wait > wait_threshold / 100 * step.seconds
            for wait, step in zip(waits, steps, strict=True)
        ),
        datapoints=len(steps),
        reason=f"Training steps spent {wait_percent:.0f} % of their time waiting for data, which "
        f"is {job_percent:.1f} % of the job.{staff}",
        recommendation=f"Cache features{job.hint('frozen backbone')} so that nothing is decoded in "
        f"the loop, or load with as many processes as there are cores{job.hint('loader workers')}.",
        details={
            "WaitPercentOfSteps": round(wait_percent, 1),
            "WaitPercentOfJob": round(job_percent, 1),
            "Workers": workers,
            "Cores": cores,
        },
    )


def _overhead_percent(timeline: Timeline, samples: Sequence[Sample]) -> list[float]:
    """Percent of the interval before each sample that went to overhead."""
    edges = [min(timeline.recording.start_s, samples[0].at_s)]
    edges += [sample.at_s for sample in samples]
    return [
        100 * sum(activities.get(name, 0.0) for name in _OVERHEAD) / max(end_s - start_s, 1e-9)
        for start_s, end_s, activities in zip(
            edges, edges[1:], timeline.slices(edges, by_activity=True), strict=False
        )
    ]
