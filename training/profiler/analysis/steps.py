"""Durations of the steps of one mode, and the steps that stand out."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from training.profiler.analysis.quantiles import Quantiles
from training.profiler.recording import Step


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
