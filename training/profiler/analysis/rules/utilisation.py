"""Rules that ask whether the machine is used well: batch size, balance, GPU, memory.

Definitions and default parameters follow "List of Debugger built-in profiler rules" (SageMaker
Developer Guide); what we decided for machines without a GPU is in each docstring.
"""

from collections.abc import Sequence

from training.profiler.analysis.quantiles import Quantiles, mean, quantile
from training.profiler.analysis.rules.finding import (
    PATIENCE,
    Finding,
    not_evaluated,
    scans,
    too_few,
)
from training.profiler.analysis.timeline import Timeline
from training.profiler.recording import Sample

_NO_GPU = "No GPU was recorded, so there is nothing to judge; this is not a pass."


def batch_size(
    timeline: Timeline,
    *,
    cpu_threshold_p95: float = 70,
    gpu_threshold_p95: float = 70,
    gpu_memory_threshold_p95: float = 70,
    memory_threshold_p95: float = 70,
    patience: int = PATIENCE,
) -> Finding:
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
    parameters = {
        f"{name.lower().replace(' ', '_')}_threshold_p95": limits[name] for name in limits
    }
    parameters["patience"] = patience
    samples = [sample for sample in timeline.loop_samples if sample.cpu]
    if len(samples) < patience:
        reason = f"The training loop was short: {too_few(samples, patience)}"
        return not_evaluated("BatchSize", parameters, reason, len(samples))
    low = [
        len(scan)
        for scan in scans(samples, patience)
        if all(value < limits[name] for name, value in _p95(scan).items())
    ]
    figures = _p95(samples)
    told = ", ".join(f"{name} {value:.0f} %" for name, value in figures.items())
    now = timeline.recording.job.flag("batch-size")
    return Finding(
        rule="BatchSize",
        state="triggered" if low else "quiet",
        triggered=len(low),
        violations=sum(low),
        datapoints=len(samples),
        parameters=parameters,
        reason=f"95th percentiles over the training loop: {told}.",
        recommendation=f"Raise --batch-size{f' (now {now})' if now else ''}, or take a smaller "
        "instance type.",
        details={"P95": {name: round(value, 1) for name, value in figures.items()}},
    )


def load_balancing(
    timeline: Timeline, *, threshold: float = 0.5, patience: int = PATIENCE
) -> Finding:
    """LoadBalancing: some processors work while others do not.

    SageMaker: the histograms of utilisation of two GPUs lie more than `threshold` apart (by which
    measure is not public). Ours: the same over GPUs where there are several, else over CPU cores,
    in the training loop, by the earth mover's distance: 0 when they are used alike, 1 when one is
    idle while the other is fully used. Unlike a distance bin by bin it takes 79 % and 81 % as near.
    """
    parameters = {"threshold": threshold, "patience": patience}
    gpus = any(len(sample.gpu) > 1 for sample in timeline.loop_samples)
    samples = [s for s in timeline.loop_samples if len(s.gpu if gpus else s.cpu) > 1]
    if len(samples) < patience:
        reason = f"Needs several processors and a longer loop: {too_few(samples, patience)}"
        return not_evaluated("LoadBalancing", parameters, reason, len(samples))
    uneven = [
        len(scan) for scan in scans(samples, patience) if _distance(_rows(scan, gpus)) > threshold
    ]
    means = [round(mean(column), 1) for column in zip(*_rows(samples, gpus), strict=False)]
    kind = "GPUs" if gpus else "cores"
    return Finding(
        rule="LoadBalancing",
        state="triggered" if uneven else "quiet",
        triggered=len(uneven),
        violations=sum(uneven),
        datapoints=len(samples),
        parameters=parameters,
        reason=f"Mean use of the {kind}: {', '.join(f'{value:.0f} %' for value in means)}.",
        recommendation="A larger --batch-size gives every core a part of each step; "
        "OMP_NUM_THREADS must not be below the number of cores.",
        details={
            "Distance": round(_distance(_rows(samples, gpus)), 2),
            "MeanUtilizationPercent": means,
        },
    )


def low_gpu_utilization(
    timeline: Timeline,
    *,
    threshold_p95: float = 70,
    threshold_p5: float = 10,
    patience: int = PATIENCE,
) -> Finding:
    """LowGPUUtilization: a GPU is idle, or now busy and now idle.

    SageMaker's definition: for each GPU, the 95th percentile is below `threshold_p95` (idle), or it
    is above and the 5th is below `threshold_p5` (fluctuating). Without a GPU: not evaluated.
    """
    parameters = {
        "threshold_p95": threshold_p95,
        "threshold_p5": threshold_p5,
        "patience": patience,
    }
    samples = [sample for sample in timeline.recording.samples if sample.gpu]
    if len(samples) < patience:
        reason = too_few(samples, patience) if samples else _NO_GPU
        return not_evaluated("LowGPUUtilization", parameters, reason, len(samples))
    bad = []
    for scan in scans(samples, patience):
        columns = [sorted(column) for column in zip(*(s.gpu for s in scan), strict=False)]
        if any(
            quantile(c, 0.95) < threshold_p95 or quantile(c, 0.05) < threshold_p5 for c in columns
        ):
            bad.append(len(scan))
    figures = Quantiles.of(mean(sample.gpu) for sample in samples)
    return Finding(
        rule="LowGPUUtilization",
        state="triggered" if bad else "quiet",
        triggered=len(bad),
        violations=sum(bad),
        datapoints=len(samples),
        parameters=parameters,
        reason=f"A GPU was idle or fluctuating in {len(bad)} minutes.",
        recommendation="Raise --batch-size, or take an instance type without a GPU: a head on "
        "cached features does not need one.",
        details={"GPUPercent": figures.rounded() if figures else None},
    )


def gpu_memory_increase(
    timeline: Timeline, *, increase: float = 5, window: int = 10, patience: int = PATIENCE
) -> Finding:
    """GPUMemoryIncrease: the moving average over `window` samples grew by `increase` points.

    Without a GPU: not evaluated.
    """
    series = [mean(s.gpu_memory) for s in timeline.recording.samples if s.gpu_memory]
    reason = "" if series else _NO_GPU
    return _increase("GPUMemoryIncrease", "GPU memory", series, reason, increase, window, patience)


def memory_increase(
    timeline: Timeline, *, increase: float = 5, window: int = 10, patience: int = PATIENCE
) -> Finding:
    """MemoryIncrease (ours): the same for the machine's memory, during the training loop.

    Takes the memory of the job's processes where it was recorded, else the machine's. SageMaker has
    no such rule; on a CPU instance a leak ends the job just as surely.
    """
    samples = timeline.loop_samples
    series = [s.job_memory for s in samples if s.job_memory is not None]
    series = series or [s.memory for s in samples if s.memory is not None]
    return _increase("MemoryIncrease", "memory", series, "", increase, window, patience)


def _increase(
    rule: str,
    what: str,
    series: Sequence[float],
    reason: str,
    increase: float,
    window: int,
    patience: int,
) -> Finding:
    parameters = {"increase": increase, "window": window, "patience": patience}
    if len(series) < max(patience, window):
        reason = reason or f"{len(series)} samples of the training loop, {patience} are needed."
        return not_evaluated(rule, parameters, reason, len(series))
    averages = [mean(series[i : i + window]) for i in range(len(series) - window + 1)]
    violations = sum(average - averages[0] >= increase for average in averages)
    return Finding(
        rule=rule,
        state="triggered" if violations else "quiet",
        triggered=int(violations > 0),
        violations=violations,
        datapoints=len(series),
        parameters=parameters,
        reason=f"Use of {what} went from {averages[0]:.1f} % to {averages[-1]:.1f} %, "
        f"{max(averages):.1f} % at most.",
        recommendation="Lower --batch-size or --views if it nears the limit; with --debug true the "
        "hook keeps tensors, so try --debug false.",
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
