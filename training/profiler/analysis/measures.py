"""Order statistics, the use of the machine and the durations of steps, from a recording.

Without numpy: reports are also made where it is missing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, quantiles

from training.profiler.recording import Sample, Step

# The metrics that are bytes a second; all others are percent of all cores, GPUs or memory.
RATES = frozenset(("Disk read", "Disk write", "Network"))


@dataclass(frozen=True)
class Quantiles:
    """The five figures that SageMaker's profiler report gives of a metric, and the mean."""

    maximum: float
    p99: float
    p95: float
    p50: float
    minimum: float
    mean: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Quantiles | None":
        """Quantiles of `values`; None when there are none."""
        found = list(values)
        if not found:
            return None
        cuts = percentiles(found)
        return cls(max(found), cuts[98], cuts[94], cuts[49], min(found), fmean(found))

    def rounded(self, digits: int = 2) -> dict[str, float]:
        """The figures as SageMaker's report names them."""
        named = {"max": self.maximum, "p99": self.p99, "p95": self.p95, "p50": self.p50}
        return {
            name: round(value, digits) for name, value in (named | {"min": self.minimum}).items()
        }


def percentiles(values: Sequence[float]) -> list[float]:
    """The 1st to 99th percentile of at least one value, interpolated as numpy does."""
    if len(values) == 1:  # statistics.quantiles accepts that from Python 3.13 on
        return [*values] * 99
    return quantiles(values, n=100, method="inclusive")


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; 0 of nothing."""
    return fmean(values) if values else 0.0


def usage_statistics(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """max, p99, p95, p50 and min of every metric that was recorded, named as SageMaker does."""
    columns = {
        "CPU": [mean(s.cpu) for s in samples if s.cpu],
        "CPU of this job": [s.job_cpu for s in samples if s.job_cpu is not None],
        "CPU memory": [s.memory for s in samples if s.memory is not None],
        "CPU memory of this job": [s.job_memory for s in samples if s.job_memory is not None],
        "I/O": [mean(s.io_wait) for s in samples if s.io_wait],
        "Disk read": [s.read for s in samples if s.read is not None],
        "Disk write": [s.written for s in samples if s.written is not None],
        "Network": [
            s.received + s.sent for s in samples if s.received is not None and s.sent is not None
        ],
        "GPU": [mean(s.gpu) for s in samples if s.gpu],
        "GPU memory": [mean(s.gpu_memory) for s in samples if s.gpu_memory],
    }
    found = {name: Quantiles.of(values) for name, values in columns.items()}
    return {name: figures.rounded() for name, figures in found.items() if figures}


@dataclass(frozen=True)
class StepDurations:
    """Steps of one mode.

    Attributes:
        measured: The steps that count: without the first (it warms caches up) and without those
            that torch.profiler slowed down.
        limit_s: Mean + stddev standard deviations of their durations.
        outliers: The measured steps that took longer than `limit_s`.
        mean_phases: Mean seconds of every phase in a measured step.
    """

    mode: str
    all: tuple[Step, ...]
    measured: tuple[Step, ...]
    seconds: Quantiles
    standard_deviation_s: float
    limit_s: float
    outliers: tuple[Step, ...]
    mean_phases: dict[str, float]

    @property
    def samples_per_second(self) -> float:
        """Samples that went through a second of step time."""
        seconds = sum(step.seconds for step in self.measured)
        return sum(step.batch_size for step in self.measured) / seconds if seconds else 0.0


def step_durations(steps: Sequence[Step], mode: str, stddev: float = 3) -> StepDurations | None:
    """Statistics of the steps of `mode`; None when there is none that counts."""
    chosen = [step for step in steps if step.mode == mode]
    measured = [step for step in chosen[1:] if not step.traced]
    seconds = Quantiles.of(step.seconds for step in measured)
    if seconds is None:
        return None
    variance = sum((step.seconds - seconds.mean) ** 2 for step in measured) / len(measured)
    limit_s = seconds.mean + stddev * sqrt(variance)
    totals: dict[str, float] = {}
    for step in measured:
        for phase, length_s in step.phases.items():
            totals[phase] = totals.get(phase, 0.0) + length_s
    return StepDurations(
        mode=mode,
        all=tuple(chosen),
        measured=tuple(measured),
        seconds=seconds,
        standard_deviation_s=sqrt(variance),
        limit_s=limit_s,
        outliers=tuple(step for step in measured if step.seconds > limit_s),
        mean_phases={phase: total / len(measured) for phase, total in totals.items()},
    )


def cause(outlier: Step, usual: StepDurations) -> str:
    """The phase that took most of what `outlier` took more than the mean step of its mode."""
    usual_s = usual.mean_phases
    excess = {name: seconds - usual_s.get(name, 0.0) for name, seconds in outlier.phases.items()}
    rest = outlier.seconds - sum(outlier.phases.values())
    excess["outside any phase"] = rest - (usual.seconds.mean - sum(usual_s.values()))
    return max(excess, key=lambda name: excess[name])
