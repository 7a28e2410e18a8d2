"""Rules about how well the machine is used: batch size, balance, GPU, memory.

Definitions and default parameters follow "List of Debugger built-in profiler rules" (SageMaker
Developer Guide); each docstring says what we decided for machines without a GPU.
"""

from collections.abc import Sequence

from training.profiler.analysis.measures import Quantiles, mean, percentiles
from training.profiler.analysis.rules.finding import (
    PATIENCE,
    NothingToJudgeError,
    Verdict,
    require,
    rule,
    scans,
)
from training.profiler.analysis.timeline import Timeline
from training.profiler.facts import JobFacts
from training.profiler.recording import Sample

_NO_GPU = "No GPU was recorded, so there is nothing to judge; this is not a pass."


@rule("BatchSize")
def batch_size(
    timeline: Timeline,
    *,
    cpu_threshold_p95: float = 70,
    gpu_threshold_p95: float = 70,
    gpu_memory_threshold_p95: float = 70,
    memory_threshold_p95: float = 70,
    patience: int = PATIENCE,
) -> Verdict:
    """BatchSize: the batch is too small to keep the machine busy.

    SageMaker: the 95th percentiles of CPU, GPU and GPU memory utilisation, over a window of
    datapoints, are all below their thresholds. Ours: the window is a minute of the training loop
    and, without a GPU, the machine's memory takes the place of the GPU's two figures.
    """
    limits = {
        "CPU": cpu_threshold_p95,
        "GPU": gpu_threshold_p95,
        "GPU memory": gpu_memory_threshold_p95,
        "memory": memory_threshold_p95,
    }
    samples = [sample for sample in timeline.loop_samples if sample.cpu]
    require(samples, patience, "The training loop was short: ")
    low = [
        len(scan)
        for scan in scans(samples, patience)
        if all(value < limits[name] for name, value in _p95(scan).items())
    ]
    figures = _p95(samples)
    listed = ", ".join(f"{name} {value:.0f} %" for name, value in figures.items())
    return Verdict(
        triggered=len(low),
        violations=sum(low),
        datapoints=len(samples),
        reason=f"95th percentiles over the training loop: {listed}.",
        recommendation=f"Raise the batch size{timeline.recording.job.hint('batch size')}, or take "
        "a smaller instance type.",
        details={"P95": {name: round(value, 1) for name, value in figures.items()}},
    )


@rule("LoadBalancing")
def load_balancing(
    timeline: Timeline, *, threshold: float = 0.5, patience: int = PATIENCE
) -> Verdict:
    """LoadBalancing: some processors work while others do not.

    SageMaker: the histograms of utilisation of two GPUs lie more than `threshold` apart (by which
    measure is not public). Ours: the same over GPUs where there are several, else over CPU cores,
    in the training loop, by the earth mover's distance: 0 when they are used alike, 1 when one is
    idle while the other is fully used. Unlike a distance by bins it treats 79 % and 81 % as close.
    """
    gpus = any(len(sample.gpu) > 1 for sample in timeline.loop_samples)
    samples = [s for s in timeline.loop_samples if len(s.gpu if gpus else s.cpu) > 1]
    require(samples, patience, "Needs several processors and a longer loop: ")
    uneven = [
        len(scan) for scan in scans(samples, patience) if _distance(_rows(scan, gpus)) > threshold
    ]
    means = [round(mean(column), 1) for column in zip(*_rows(samples, gpus), strict=False)]
    kind = "GPUs" if gpus else "cores"
    return Verdict(
        triggered=len(uneven),
        violations=sum(uneven),
        datapoints=len(samples),
        reason=f"Mean use of the {kind}: {', '.join(f'{value:.0f} %' for value in means)}.",
        recommendation=f"A larger batch{timeline.recording.job.hint('batch size')} gives every "
        "core a part of each step; OMP_NUM_THREADS must not be below the number of cores.",
        details={
            "Distance": round(_distance(_rows(samples, gpus)), 2),
            "MeanUtilizationPercent": means,
        },
    )


@rule("LowGPUUtilization")
def low_gpu_utilization(
    timeline: Timeline,
    *,
    threshold_p95: float = 70,
    threshold_p5: float = 10,
    patience: int = PATIENCE,
) -> Verdict:
    """LowGPUUtilization: a GPU is idle, or now busy and now idle.

    SageMaker's definition: for each GPU, the 95th percentile is below `threshold_p95` (idle), or it
    is above and the 5th is below `threshold_p5` (fluctuating). Without a GPU: not evaluated.
    """
    samples = [sample for sample in timeline.recording.samples if sample.gpu]
    if not samples:
        raise NothingToJudgeError(_NO_GPU)
    require(samples, patience)
    bad = []
    for scan in scans(samples, patience):
        gpus = [percentiles(column) for column in zip(*(s.gpu for s in scan), strict=False)]
        if any(p[94] < threshold_p95 or p[4] < threshold_p5 for p in gpus):
            bad.append(len(scan))
    figures = Quantiles.of(mean(sample.gpu) for sample in samples)
    return Verdict(
        triggered=len(bad),
        violations=sum(bad),
        datapoints=len(samples),
        reason=f"A GPU was idle or fluctuating in {len(bad)} minutes.",
        recommendation=f"Raise the batch size{timeline.recording.job.hint('batch size')}, or take "
        "an instance type without a GPU: a head on cached features does not need one.",
        details={"GPUPercent": figures.rounded() if figures else None},
    )


@rule("GPUMemoryIncrease")
def gpu_memory_increase(
    timeline: Timeline, *, increase: float = 5, window: int = 10, patience: int = PATIENCE
) -> Verdict:
    """GPUMemoryIncrease: the moving average over `window` samples grew by `increase` points.

    Without a GPU: not evaluated.
    """
    series = [mean(s.gpu_memory) for s in timeline.recording.samples if s.gpu_memory]
    if not series:
        raise NothingToJudgeError(_NO_GPU)
    return _increase("GPU memory", series, timeline.recording.job, increase, window, patience)


@rule("MemoryIncrease")
def memory_increase(
    timeline: Timeline, *, increase: float = 5, window: int = 10, patience: int = PATIENCE
) -> Verdict:
    """MemoryIncrease (ours): the same for the machine's memory, during the training loop.

    Takes the memory of the job's processes where it was recorded, else the machine's. SageMaker has
    no such rule; on a CPU instance a leak ends the job just as surely.
    """
    samples = timeline.loop_samples
    series = [s.job_memory for s in samples if s.job_memory is not None]
    series = series or [s.memory for s in samples if s.memory is not None]
    return _increase("memory", series, timeline.recording.job, increase, window, patience)


def _increase(
    what: str, series: Sequence[float], job: JobFacts, increase: float, window: int, patience: int
) -> Verdict:
    if len(series) < max(patience, window):
        reason = f"{len(series)} samples of the training loop, {patience} are needed."
        raise NothingToJudgeError(reason, len(series))
    averages = [mean(series[i : i + window]) for i in range(len(series) - window + 1)]
    violations = sum(average - averages[0] >= increase for average in averages)
    return Verdict(
        triggered=int(violations > 0),
        violations=violations,
        datapoints=len(series),
        reason=f"Use of {what} went from {averages[0]:.1f} % to {averages[-1]:.1f} %, "
        f"{max(averages):.1f} % at most.",
        recommendation=f"Lower the batch size{job.hint('batch size')} or take fewer views of each "
        f"sample{job.hint('views')} if it nears the limit. The debugger's hook keeps tensors: try "
        f"without it{job.hint('debugger hook')}.",
        details={
            "FirstPercent": round(averages[0], 2),
            "LastPercent": round(averages[-1], 2),
            "HighestPercent": round(max(averages), 2),
        },
    )


def _rows(samples: Sequence[Sample], gpus: bool) -> list[tuple[float, ...]]:
    return [sample.gpu if gpus else sample.cpu for sample in samples]


def _p95(samples: Sequence[Sample]) -> dict[str, float]:
    """95th percentiles of what the batch size decides; what was not recorded is left out."""
    columns = {
        "CPU": [mean(sample.cpu) for sample in samples],
        "GPU": [mean(sample.gpu) for sample in samples if sample.gpu],
        "GPU memory": [mean(sample.gpu_memory) for sample in samples if sample.gpu_memory],
    }
    if not columns["GPU"]:
        columns["memory"] = [sample.memory for sample in samples if sample.memory is not None]
    found = {name: Quantiles.of(values) for name, values in columns.items()}
    return {name: quantiles.p95 for name, quantiles in found.items() if quantiles}


def _distance(rows: Sequence[Sequence[float]]) -> float:
    """The largest earth mover's distance between two columns of percentages, as a share of 1."""
    columns = [sorted(column) for column in zip(*rows, strict=False)]
    return max(
        (
            mean([abs(x - y) for x, y in zip(a, b, strict=True)]) / 100
            for i, a in enumerate(columns)
            for b in columns[:i]
        ),
        default=0.0,
    )
