"""Findings, and how a rule makes one of a job."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Literal

from training.profiler.analysis.timeline import Timeline
from training.profiler.recording import Sample

# "not evaluated": the job has no data that the rule could judge. It is not a pass.
State = Literal["triggered", "quiet", "not evaluated", "statistics"]
Rule = Callable[[Timeline], "Finding"]
# SageMaker scans what was recorded once a minute, and counts the scans that triggered.
SCAN_INTERVAL_S = 60.0
# SageMaker's rules need 1,000 datapoints (8 minutes); jobs on a laptop or on cached features are
# over by then. Ours need 10 seconds.
PATIENCE = 20


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a rule returns.

    Attributes:
        triggered: Scans (of a minute) in which the rule held; 0 or 1 for rules of the whole job.
        violations: Datapoints that broke the rule's threshold.
        datapoints: Datapoints that were evaluated.
        reason: One sentence: what was found, or why nothing was evaluated.
        recommendation: What to change when the rule triggers, with the job's hints.
    """

    triggered: int = 0
    violations: int = 0
    datapoints: int
    reason: str
    recommendation: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Finding(Verdict):
    """A verdict with the rule that it is of, and that rule's parameters."""

    rule: str
    state: State
    parameters: Mapping[str, object]

    def to_json(self) -> dict[str, object]:
        """The file of one rule, with the five keys that SageMaker's have."""
        parameters = "\n".join(f"{name}:{value}" for name, value in self.parameters.items())
        explained = {
            "Status": self.state,
            "Reason": self.reason,
            "Recommendation": self.recommendation,
        }
        return {
            "RuleTriggered": self.triggered,
            "Violations": self.violations,
            "Details": explained | dict(self.details),
            "Datapoints": self.datapoints,
            "RuleParameters": parameters,
        }


class NothingToJudgeError(Exception):
    """Raised by a rule that cannot be evaluated."""

    def __init__(self, reason: str, datapoints: int = 0) -> None:
        super().__init__(reason)
        self.verdict = Verdict(datapoints=datapoints, reason=reason)


def rule(name: str, *, statistics: bool = False) -> Callable[[Callable[..., Verdict]], Rule]:
    """Make a rule of a function from a timeline to a verdict.

    The rule's parameters are the function's keyword-only arguments, with their defaults. A rule of
    `statistics` never triggers.
    """

    def decorate(judge: Callable[..., Verdict]) -> Rule:
        parameters: dict[str, Any] = judge.__kwdefaults__ or {}

        @wraps(judge)
        def evaluate(timeline: Timeline) -> Finding:
            state: State
            try:
                verdict = judge(timeline)
                state = "triggered" if verdict.triggered else "quiet"
                state = "statistics" if statistics else state
            except NothingToJudgeError as error:
                verdict, state = error.verdict, "not evaluated"
            return Finding(rule=name, state=state, parameters=parameters, **vars(verdict))

        return evaluate

    return decorate


def require(samples: Sequence[Sample], patience: int, context: str = "") -> None:
    """Raise NothingToJudgeError where there are fewer samples than `patience`."""
    if len(samples) < patience:
        few = f"{len(samples)} system samples, {patience} are needed ({patience / 2:g} seconds)."
        raise NothingToJudgeError(context + few, len(samples))


def scans(samples: Sequence[Sample], patience: int) -> Iterator[list[Sample]]:
    """The samples of every minute; a rest shorter than `patience` goes with the minute before."""
    groups: list[list[Sample]] = []
    for sample in samples:
        if not groups or sample.at_s - groups[-1][0].at_s >= SCAN_INTERVAL_S:
            groups.append([])
        groups[-1].append(sample)
    if len(groups) > 1 and len(groups[-1]) < patience:
        rest = groups.pop()
        groups[-1] += rest
    yield from groups


def count(
    samples: Sequence[Sample], violating: Sequence[bool], threshold: float, patience: int
) -> tuple[int, int]:
    """Scans of which more than `threshold` % violate, and the violating samples of all."""
    flags = iter(violating)
    found = [(len(scan), sum(next(flags) for _ in scan)) for scan in scans(samples, patience)]
    triggered = sum(100 * bad > threshold * total for total, bad in found)
    return triggered, sum(violating)
