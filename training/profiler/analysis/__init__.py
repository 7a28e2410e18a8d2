"""From a recording to findings: pure functions, no torch, no numpy, nothing of this machine."""

from dataclasses import dataclass

from training.profiler.analysis.advice import Advice, advise
from training.profiler.analysis.rules import Finding, evaluate
from training.profiler.analysis.timeline import Timeline
from training.profiler.recording import Recording


@dataclass(frozen=True)
class Analysis:
    """The content of a report."""

    timeline: Timeline
    findings: tuple[Finding, ...]
    advice: tuple[Advice, ...]

    @property
    def recording(self) -> Recording:
        """The recording that was analysed."""
        return self.timeline.recording


def analyse(recording: Recording) -> Analysis:
    """Cut the recording into categories, evaluate every rule, rank the recommendations."""
    timeline = Timeline.of(recording)
    findings = evaluate(timeline)
    return Analysis(timeline, tuple(findings), tuple(advise(timeline, findings)))
