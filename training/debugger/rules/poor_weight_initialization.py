"""PoorWeightInitialization: the first steps show that the weights started badly."""

import math

import numpy as np

from training.debugger.rules.base import TRAIN, StepRule
from training.debugger.smdebug_bridge import FollowedTrial

LOWER, UPPER = 5, 95  # percentiles, from the definition


class PoorWeightInitialization(StepRule):
    """True when, within the first `steps` train steps, one of three things is seen.

    1. The variances of the activations' inputs differ between layers by a factor over `threshold`.
    2. Some gradient's 5th and 95th percentile lie less than `distribution_range` apart.
    3. The loss has not fallen for `patience` steps.

    Definition: AWS, "List of Debugger built-in rules", PoorWeightInitialization.

    Parameters:
        activation_inputs_regex (".*relu_input"): The activations' inputs.
        threshold (10.0): Largest ratio of the largest to the least variance.
        distribution_range (0.001): Least distance between the percentiles.
        patience (5): Steps within which the loss must fall below its least so far.
        steps (10): How many train steps are looked at.

    Decided here: gradients of vectors (biases, scales of normalisation) are left out of 2, being no
    weight matrices. In 3 a step's loss is its batch's. A variance of zero makes the ratio infinite.
    A model without ReLU modules, or with one, has no ratio.
    """

    def __init__(
        self,
        trial: FollowedTrial,
        activation_inputs_regex: str = ".*relu_input",
        threshold: float = 10.0,
        distribution_range: float = 0.001,
        patience: int = 5,
        steps: int = 10,
    ) -> None:
        super().__init__(
            trial,
            activation_inputs_regex=activation_inputs_regex,
            threshold=threshold,
            distribution_range=distribution_range,
            patience=patience,
            steps=steps,
        )
        self.regex, self.threshold = activation_inputs_regex, threshold
        self.distribution_range, self.patience, self.steps = distribution_range, patience, steps
        self.least_loss = math.inf
        self.waited = 0

    def invoke_at_step(self, step: int) -> bool:
        """Look at one of the first train steps."""
        if self.trial.mode(step) != TRAIN or self.trial.mode_step(step) >= self.steps:
            return False
        return self._variances(step) or self._gradients(step) or self._loss_stands(step)

    def _variances(self, step: int) -> bool:
        names = self.matching(step, self.regex)
        variances = {name: self.reduction(name, step, "variance") for name in names}
        if len(variances) < 2:
            return False
        least = min(variances, key=variances.__getitem__)
        most = max(variances, key=variances.__getitem__)
        ratio = variances[most] / variances[least] if variances[least] > 0 else math.inf
        self.note(step=step, largest=most, least=least, variance_ratio=ratio)
        return ratio > self.threshold and self.found(
            f"variance of activation inputs: {variances[most]:.3g} in {most}, "
            f"{variances[least]:.3g} in {least}: a ratio of {ratio:.3g}, above {self.threshold:g}"
        )

    def _gradients(self, step: int) -> bool:
        for name in self.collection(step, "gradients"):
            spread = self._spread(name, step)
            if spread is None:
                continue
            self.note(step=step, tensor=name, spread=spread)
            if spread < self.distribution_range:
                return self.found(
                    f"90 % of the values of {name} lie within {spread:.3g}, less than "
                    f"{self.distribution_range:g}"
                )
        return False

    def _spread(self, name: str, step: int) -> float | None:
        if self.trial.summaries:
            recorded = self.trial.tensor(name).reduction_values(step)
            spread = recorded.get(("spread", False))
            return None if spread is None else float(spread[0])
        value = self.trial.tensor(name).value(step)
        if value.ndim < 2:
            return None
        return float(np.subtract(*np.percentile(value, (UPPER, LOWER))))

    def _loss_stands(self, step: int) -> bool:
        loss = self.loss(step)
        if loss is None:
            return False
        self.note(step=step, loss=loss)
        self.waited = 0 if loss < self.least_loss else self.waited + 1
        self.least_loss = min(self.least_loss, loss)
        return self.waited >= self.patience and self.found(
            f"the loss ({loss:.4g}) has not fallen below {self.least_loss:.4g} for {self.waited} "
            "of the first steps"
        )
