"""What the training script sees of the debugger. Imports neither torch nor smdebug."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Mode = Literal["train", "eval", "predict"]
RULES = (
    "VanishingGradient",
    "Overfit",
    "Overtraining",
    "PoorWeightInitialization",
    "LossNotDecreasing",
    "ExplodingTensor",
    "DeadRelu",
)


@dataclass(frozen=True)
class Earlier:
    """What a run that resumes from a checkpoint did before it.

    `steps` counts the steps of each mode; `rounds` are (last global step, mean training loss, mean
    validation loss) of each round, in practice of each epoch; `issues` are the rules' findings, by
    rule.
    """

    steps: Mapping[str, int] = field(default_factory=dict)
    rounds: Sequence[tuple[int, float, float]] = ()
    issues: Mapping[str, str] = field(default_factory=dict)


class Debugger(Protocol):
    """The hook of one training process and the process that evaluates the rules."""

    @property
    def enabled(self) -> bool:
        """Whether steps are being recorded."""

    def mode(self, name: Mode) -> None:
        """Set the mode of the following forward passes; call it beside `model.train()`."""

    def should_stop(self) -> str | None:
        """Name of a rule of `stop_on` that found issues, else None.

        Waits (bounded) until the rules have seen every step so far; ask once an epoch.
        """

    def issues(self) -> dict[str, str]:
        """The rules' findings so far, by rule: for a checkpoint."""

    def close(self, report_dir: Path | None = None) -> dict[str, str]:
        """Remove the hook, wait (bounded) for the rules, return rule -> RuleEvaluationStatus.

        With `report_dir`, each rule's final `<rule>.json` is copied to `report_dir/rules/`. Call it
        before the model is exported. A second call returns the same statuses.
        """
