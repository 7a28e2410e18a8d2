"""The base classes of our rules, on smdebug's Rule.

A rule sees each recorded step once, in order. `invoke_at_step` returns True when it finds an issue,
which ends the rule, as in SageMaker; `at_end` is called once, after the last step. Rules keep what
they need of earlier steps themselves, since the trial drops them.

Numbers come from the recorder's summaries where the trial has them; where smdebug's own hook wrote
the trial they are computed from whole tensors.
"""

import re
from collections import deque
from typing import Any

import numpy as np

from training.debugger.smdebug_bridge import FollowedTrial, ModeKeys, Rule
from training.debugger.status import MAX_DATAPOINTS

TRAIN, EVAL = ModeKeys.TRAIN, ModeKeys.EVAL


class StepRule(Rule):
    """Base of a rule about single steps."""

    def __init__(self, trial: FollowedTrial, **parameters: Any) -> None:
        super().__init__(trial, action_str="")
        self.trial = trial
        self.parameters = parameters
        self.datapoints: deque[dict[str, Any]] = deque(maxlen=MAX_DATAPOINTS)
        self.details = ""
        self._matches: dict[tuple[str, str], bool] = {}

    def at_end(self) -> bool:
        """Whether the end of the trial shows an issue."""
        return False

    def earlier_round(self, step: int, train_loss: float, validation_loss: float) -> bool:
        """Whether a round of an earlier attempt at this run, up to global `step`, was an issue."""
        return False

    def found(self, details: str) -> bool:
        """Record the finding; returns True."""
        self.details = details
        return True

    def note(self, **point: Any) -> None:
        """Keep a data point as evidence for the verdict."""
        self.datapoints.append(point)

    def matching(self, step: int, regex: str) -> list[str]:
        """Names of the step's tensors in which `regex` is found, in order."""
        found = []
        for name in self.trial.names(step):
            key = (regex, name)
            if key not in self._matches:
                self._matches[key] = re.search(regex, name) is not None
            if self._matches[key]:
                found.append(name)
        return sorted(found)

    def collection(self, step: int, name: str) -> list[str]:
        """Names of the step's tensors in a collection, in order."""
        collection = self.trial.collection(name)
        names = set(collection.tensor_names)
        found = {one for one in self.trial.names(step) if one in names}
        for regex in collection.include_regex or ():
            found.update(self.matching(step, regex))
        return sorted(found)

    def reduction(self, name: str, step: int, operation: str, absolute: bool = False) -> float:
        """A reduction of a tensor, as recorded or computed by smdebug."""
        value = self.trial.tensor(name).reduction_value(step, operation, abs=absolute)
        return float(np.asarray(value).reshape(()))

    def loss(self, step: int) -> float | None:
        """The step's loss (the mean of them if there are several), or None."""
        tensors = [self.trial.tensor(name) for name in self.collection(step, "losses")]
        values = [float(np.mean(tensor.value(step))) for tensor in tensors]
        return sum(values) / len(values) if values else None


class RoundRule(StepRule):
    """Base of a rule that compares rounds: some train steps, then some evaluation steps.

    A round ends with its evaluation: where the next train step comes, or with the trial. Evaluate
    one data set a round in mode "eval"; steps of two would be averaged.
    """

    def __init__(self, trial: FollowedTrial, **parameters: Any) -> None:
        super().__init__(trial, **parameters)
        self.rounds = 0
        self.train: list[float] = []
        self.validation: list[float] = []
        self.last_step = 0

    def invoke_at_step(self, step: int) -> bool:
        """Collect losses; judge a round when the next begins."""
        mode = self.trial.mode(step)
        done = mode == TRAIN and bool(self.validation)
        result = self._judge(self.last_step) if done else False
        losses = {TRAIN: self.train, EVAL: self.validation}.get(mode)
        loss = self.loss(step)
        if losses is not None and loss is not None:
            losses.append(loss)
            self.last_step = step
        return result

    def earlier_round(self, step: int, train_loss: float, validation_loss: float) -> bool:
        """Replay it, so that patience and the best losses continue from there."""
        self.rounds += 1
        return self.round_ended(step, train_loss, validation_loss)

    def at_end(self) -> bool:
        """Judge the last round."""
        return bool(self.validation) and self._judge(self.last_step)

    def _judge(self, step: int) -> bool:
        train, validation = self.train, self.validation
        self.train, self.validation = [], []
        self.rounds += 1
        if not train:  # an evaluation before any training
            return False
        return self.round_ended(step, float(np.mean(train)), float(np.mean(validation)))

    def round_ended(self, step: int, train_loss: float, validation_loss: float) -> bool:
        """Whether the round shows an issue, given its mean losses."""
        raise NotImplementedError
