"""Rules that ask what the model waits for: processors, disks, the data loader.

Definitions and default parameters follow "List of Debugger built-in profiler rules" (SageMaker
Developer Guide). Those rules ask whether a GPU waits. Where a job has no GPU the CPU does the
model's mathematics, and a busy CPU is what one wants: what we decided then is in each docstring.
"""

from collections.abc import Sequence

from training.profiler.analysis.quantiles import Quantiles, mean
from training.profiler.analysis.rules.finding import (
    PATIENCE,
    Finding,
    count,
    not_evaluated,
    too_few,
)
from training.profiler.analysis.timeline import Timeline
from training.profiler.recording import Sample

# What a CPU does for a training job that is not the model's mathematics.
_OVERHEAD = ("data", "hook", "checkpoint", "profiler")


def cpu_bottleneck(
    timeline: Timeline,
    *,
    threshold: float = 50,
    gpu_threshold: float = 10,
    cpu_threshold: float = 90,
    overhead_threshold: float = 50,
    patience: int = PATIENCE,
) -> Finding:
    """CPUBottleneck: the processors are busy with other things than the model.

    SageMaker: a datapoint with a CPU above `cpu_threshold` % while a GPU is below `gpu_threshold`
    %; triggers above `threshold` % of them. Ours, without a GPU: the cores' mean is above
    `cpu_threshold` % while `overhead_threshold` % of the time or more goes to loading data, the
    debugger's hook, checkpoints or the profiler.
    """
    parameters = {
        "threshold": threshold,
        "gpu_threshold": gpu_threshold,
        "cpu_threshold": cpu_threshold,
        "overhead_threshold": overhead_threshold,
        "patience": patience,
    }
    samples = [sample for sample in timeline.recording.samples if sample.cpu]
    if len(samples) < patience:
        reason = too_few(samples, patience)
        return not_evaluated("CPUBottleneck", parameters, reason, len(samples))
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
    return Finding(
        rule="CPUBottleneck",
        state="triggered" if triggered else "quiet",
        triggered=triggered,
        violations=violations,
        datapoints=len(samples),
        parameters=parameters,
        reason=f"The processors were busy in {100 * mean(busy):.0f} % of the time; in "
        f"{100 * mean(violating):.0f} % of it with other things than the model.",
        recommendation="Take work off the loop: cache features (--unfreeze head, and a features "
        "channel made with --features-only true) and leave the hook off (--debug false).",
        details={
            "SamplesWithBusyCPU": sum(busy),
            "MeanOverheadPercent": round(mean(overhead), 1),
            "MeanCPUOfOthersPercent": round(max(mean(foreign), 0), 1) if foreign else None,
        },
    )


def io_bottleneck(
    timeline: Timeline,
    *,
    threshold: float = 50,
    gpu_threshold: float = 10,
    io_threshold: float = 50,
    patience: int = PATIENCE,
) -> Finding:
    """IOBottleneck: processors wait for disks.

    SageMaker: a datapoint with a core's I/O wait above `io_threshold` % while a GPU is below
    `gpu_threshold` %; triggers above `threshold` % of them. Ours, without a GPU: the same without
    the condition on the GPU. I/O wait is idle time: a core that finds other work does not show it.
    """
    parameters = {
        "threshold": threshold,
        "gpu_threshold": gpu_threshold,
        "io_threshold": io_threshold,
        "patience": patience,
    }
    samples = [sample for sample in timeline.recording.samples if sample.io_wait]
    if len(samples) < patience:
        reason = too_few(samples, patience)
        return not_evaluated("IOBottleneck", parameters, reason, len(samples))
    violating = [
        max(sample.io_wait) > io_threshold and (not sample.gpu or min(sample.gpu) < gpu_threshold)
        for sample in samples
    ]
    triggered, violations = count(samples, violating, threshold, patience)
    waiting = Quantiles.of(max(sample.io_wait) for sample in samples)
    reads = Quantiles.of(sample.read for sample in samples if sample.read is not None)
    return Finding(
        rule="IOBottleneck",
        state="triggered" if triggered else "quiet",
        triggered=triggered,
        violations=violations,
        datapoints=len(samples),
        parameters=parameters,
        reason=f"A core waited for disks for more than {io_threshold:g} % of its time in "
        f"{violations} of {len(samples)} samples.",
        recommendation="Read the photos once: cache features (--features-only true, then a "
        "features channel) or lower --views; or use a faster volume.",
        details={
            "IOWaitPercent": waiting.rounded() if waiting else None,
            "ReadBytesPerSecond": reads.rounded(0) if reads else None,
        },
    )


def data_loader(
    timeline: Timeline,
    *,
    min_threshold: float = 70,
    max_threshold: float = 200,
    wait_threshold: float = 20,
    job_threshold: float = 2,
) -> Finding:
    """Dataloader: the loop waits for its data, or has the wrong number of processes to load it.

    SageMaker: the number of data-loading processes is below `min_threshold` % or above
    `max_threshold` % of the cores. Ours: the same where there are such processes, and besides: the
    training steps spend more than `wait_threshold` % of their time in the phase "data", which must
    be `job_threshold` % of the job at least. A violation is a step above `wait_threshold`.
    """
    parameters = {
        "min_threshold": min_threshold,
        "max_threshold": max_threshold,
        "wait_threshold": wait_threshold,
        "job_threshold": job_threshold,
    }
    steps = timeline.train_steps
    if not steps:
        return not_evaluated("Dataloader", parameters, "No training step was recorded.")
    waits = [step.phases.get("data", 0.0) for step in steps]
    total_s = sum(step.seconds for step in steps)
    wait_percent = 100 * sum(waits) / total_s if total_s else 0.0
    job_percent = 100 * sum(waits) / (timeline.recording.seconds or 1.0)
    slow = wait_percent > wait_threshold and job_percent >= job_threshold
    workers = timeline.recording.job.workers
    cores = max((len(sample.cpu) for sample in timeline.recording.samples), default=0)
    worker_percent = 100 * workers / cores if workers and cores else None
    unfit = worker_percent is not None and not min_threshold <= worker_percent <= max_threshold
    staff = f" {workers} loading processes on {cores} cores." if worker_percent is not None else ""
    return Finding(
        rule="Dataloader",
        state="triggered" if slow or unfit else "quiet",
        triggered=int(slow or unfit),
        violations=sum(
            wait > wait_threshold / 100 * step.seconds
            for wait, step in zip(waits, steps, strict=True)
        ),
        datapoints=len(steps),
        parameters=parameters,
        reason=f"Training steps spent {wait_percent:.0f} % of their time waiting for data, which "
        f"is {job_percent:.1f} % of the job.{staff}",
        recommendation="Cache features (--unfreeze head) so that no photo is decoded in the loop, "
        "or have as many loading processes as there are cores.",
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
