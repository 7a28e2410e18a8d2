"""LossNotDecreasing: the loss does not fall at an adequate rate, or rises."""

import math

import numpy as np

from training.debugger.rules.base import StepRule
from training.debugger.smdebug_bridge import FollowedTrial, ModeKeys

CHECKS_IN_A_ROW = 3
WINDOW_SHARE = 4  # a window is a quarter of the steps so far
STANDARD_ERRORS = 2


class LossNotDecreasing(StepRule):
    """True when the loss has not fallen by `diff_percent`, or has risen by more than allowed.

    Definition: AWS, "List of Debugger built-in rules", LossNotDecreasing. Every `num_steps` steps
    the loss is compared with the loss at least `num_steps` before.

    Parameters:
        tensor_regex (None): Losses to look at; None means the collection `losses`.
        use_losses_collection (True): Whether to look at the collection `losses` where tensor_regex
            is None.
        num_steps (10): Steps between checks, and least distance of the losses compared.
        diff_percent (0.1): Percentage by which the loss must fall.
        increase_threshold_percent (5.0): Percentage by which it may rise.
        mode (None): TRAIN, EVAL or GLOBAL.

    Decided here, because a batch's loss depends on the batch as much as on the model:

    - Compared are the mean losses of the last and the next to last window. A window is `num_steps`
      steps at first, later a quarter of the steps so far: a loss curve flattens, and ten batches
      late in a training differ by chance alone.
    - A fall short of `diff_percent` is an issue when CHECKS_IN_A_ROW checks show it.
    - A rise over `increase_threshold_percent` is an issue at once, if it exceeds it by two standard
      errors of the difference.
    - mode None means TRAIN, else GLOBAL, else EVAL, where AWS begins with EVAL: all evaluation
      steps of a round see the same weights, so their losses cannot fall from one to the next.
    """

    def __init__(
        self,
        trial: FollowedTrial,
        tensor_regex: str | None = None,
        use_losses_collection: bool = True,
        num_steps: int = 10,
        diff_percent: float = 0.1,
        increase_threshold_percent: float = 5.0,
        mode: str | None = None,
    ) -> None:
        super().__init__(
            trial,
            tensor_regex=tensor_regex,
            use_losses_collection=use_losses_collection,
            num_steps=num_steps,
            diff_percent=diff_percent,
            increase_threshold_percent=increase_threshold_percent,
            mode=mode,
        )
        if tensor_regex is None and not use_losses_collection:
            raise ValueError("LossNotDecreasing needs tensor_regex or use_losses_collection")
        self.tensor_regex, self.num_steps = tensor_regex, num_steps
        self.diff_percent, self.increase_percent = diff_percent, increase_threshold_percent
        self.modes = [ModeKeys[mode]] if mode else [ModeKeys.TRAIN, ModeKeys.GLOBAL, ModeKeys.EVAL]
        self.losses: dict[ModeKeys, list[float]] = {one: [] for one in self.modes}
        self.failed = 0

    def invoke_at_step(self, step: int) -> bool:
        """Collect a loss; check every `num_steps`."""
        mode = self.trial.mode(step)
        loss = self._loss(step)
        if mode not in self.losses or loss is None:
            return False
        self.losses[mode].append(loss)
        better = self.modes[: self.modes.index(mode)]
        count = len(self.losses[mode])
        if any(self.losses[one] for one in better) or count % self.num_steps:
            return False
        window = max(self.num_steps, count // WINDOW_SHARE)
        return count >= 2 * window and self._check(step, mode, window)

    def _loss(self, step: int) -> float | None:
        if self.tensor_regex is None:
            return self.loss(step)
        names = self.matching(step, self.tensor_regex)
        values = [float(np.mean(self.trial.tensor(name).value(step))) for name in names]
        return sum(values) / len(values) if values else None

    def _check(self, step: int, mode: ModeKeys, window: int) -> bool:
        before = np.asarray(self.losses[mode][-2 * window : -window])
        now = np.asarray(self.losses[mode][-window:])
        fall = 100 * (before.mean() - now.mean()) / abs(before.mean())
        error = 100 * math.sqrt((before.var() + now.var()) / window) / abs(before.mean())
        self.note(
            step=step, window=window, before=before.mean(), now=now.mean(), fall_percent=float(fall)
        )
        compared = (
            f"mean {mode.name} loss of the last {window} steps {now.mean():.4g}, of the {window} "
            f"before {before.mean():.4g}"
        )
        if -fall - STANDARD_ERRORS * error > self.increase_percent:
            return self.found(f"{compared}: it rose by {-fall:.2f} %")
        self.failed = 0 if fall >= self.diff_percent else self.failed + 1
        return self.failed >= CHECKS_IN_A_ROW and self.found(
            f"{compared}: it fell by {fall:.2f} %, less than {self.diff_percent:g} % in "
            f"{self.failed} checks running"
        )
