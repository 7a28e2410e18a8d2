"""A trial whose every number a test writes down, to show a rule the steps around its thresholds."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from training.debugger.rules import StepRule
from training.debugger.smdebug_bridge import FollowedTrial, ModeKeys

TRAIN, EVAL = ModeKeys.TRAIN, ModeKeys.EVAL


@dataclass(frozen=True)
class Step:
    """Whole tensors by name, and summaries by name and (operation, of absolute values)."""

    mode: ModeKeys = TRAIN
    tensors: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    summaries: Mapping[str, Mapping[tuple[str, bool], npt.ArrayLike]] = field(default_factory=dict)


@dataclass(frozen=True)
class Collection:
    """smdebug's, as far as rules look at it."""

    tensor_names: Iterable[str] = ()
    include_regex: Iterable[str] | None = None


@dataclass(frozen=True)
class Tensor:
    """One tensor of the trial."""

    steps: list[Step]
    name: str

    def value(self, step: int) -> npt.NDArray[Any]:
        """Whole."""
        return np.asarray(self.steps[step].tensors[self.name])

    def reduction_value(self, step: int, operation: str, abs: bool = False) -> npt.NDArray[Any]:
        """One summary; smdebug computes it where the whole tensor was recorded."""
        if self.name in self.steps[step].summaries:
            return np.asarray(self.steps[step].summaries[self.name][operation, abs])
        value = np.abs(self.value(step)) if abs else self.value(step)
        return np.asarray(getattr(np, {"variance": "var"}.get(operation, operation))(value))

    def reduction_values(self, step: int) -> dict[tuple[str, bool], npt.NDArray[Any]]:
        """All summaries."""
        summaries = self.steps[step].summaries.get(self.name, {})
        return {key: np.asarray(value) for key, value in summaries.items()}


class ScriptedTrial:
    """Stands in for FollowedTrial."""

    def __init__(self, steps: Iterable[Step], **collections: Collection) -> None:
        self.logger = logging.getLogger(__name__)  # smdebug's Rule takes it
        self.steps = list(steps)
        self.collections = collections
        self.summaries = any(step.summaries for step in self.steps)

    def mode(self, step: int) -> ModeKeys:
        """Mode of a global step."""
        return self.steps[step].mode

    def mode_step(self, step: int) -> int:
        """How many steps of the same mode came before."""
        return sum(one.mode == self.steps[step].mode for one in self.steps[:step])

    def names(self, step: int) -> set[str]:
        """Names of a step's tensors."""
        return {*self.steps[step].tensors, *self.steps[step].summaries}

    def tensor(self, name: str) -> Tensor:
        """One tensor."""
        return Tensor(self.steps, name)

    def collection(self, name: str) -> Collection:
        """One collection, empty if the test names none."""
        return self.collections.get(name, Collection())


def losses(values: Iterable[float], mode: ModeKeys = TRAIN) -> list[Step]:
    """Steps with nothing but a loss each."""
    return [Step(mode, {"loss": value}) for value in values]


def loss_trial(steps: Iterable[Step]) -> ScriptedTrial:
    """A trial whose collection `losses` holds the tensor `loss`."""
    return ScriptedTrial(steps, losses=Collection(["loss"]))


def fired_at(rule: type[StepRule], trial: ScriptedTrial, **parameters: Any) -> int | None:
    """The first step at which the rule finds its issue, -1 for the end of the trial, or None."""
    return run(rule, trial, **parameters)[0]


def run(
    rule: type[StepRule], trial: ScriptedTrial, **parameters: Any
) -> tuple[int | None, StepRule]:
    """The same, and the rule with its details and data points."""
    judge = rule(cast(FollowedTrial, trial), **parameters)
    for step in range(len(trial.steps)):
        if judge.invoke_at_step(step):
            return step, judge
    return (-1 if judge.at_end() else None), judge
