"""DeadRelu: too many units of a ReLU layer are no longer active."""

import numpy as np
import numpy.typing as npt

from training.debugger.rules.base import TRAIN, StepRule
from training.debugger.smdebug_bridge import FollowedTrial


class DeadRelu(StepRule):
    """True when more than `threshold_layer` per cent of a layer's ReLUs are dead.

    Definition: AWS, "List of Debugger built-in rules", DeadRelu.

    Parameters:
        tensor_regex (".*relu_output"): The ReLUs' outputs.
        threshold_inactivity (1.0): A unit is dead if less than this percentage of its outputs is
            above zero.
        threshold_layer (50.0): Largest percentage of dead units in a layer.

    Decided here: units are columns of [batch, units] and channels of images, and a unit's outputs
    are those of one train step; a batch of 32 resolves steps of 3 %, and a unit that fires
    for 1 in 1,000 photos is dead in most steps.
    """

    def __init__(
        self,
        trial: FollowedTrial,
        tensor_regex: str = ".*relu_output",
        threshold_inactivity: float = 1.0,
        threshold_layer: float = 50.0,
    ) -> None:
        super().__init__(
            trial,
            tensor_regex=tensor_regex,
            threshold_inactivity=threshold_inactivity,
            threshold_layer=threshold_layer,
        )
        self.regex = tensor_regex
        self.threshold_inactivity, self.threshold_layer = threshold_inactivity, threshold_layer

    def invoke_at_step(self, step: int) -> bool:
        """Look at every ReLU layer of a train step."""
        if self.trial.mode(step) != TRAIN:
            return False
        shares = {}
        for name in self.matching(step, self.regex):
            shares[name] = 100 * float(
                np.mean(100 * self._active(name, step) < self.threshold_inactivity)
            )
        if not shares:
            return False
        worst = max(shares, key=shares.__getitem__)
        self.note(step=step, tensor=worst, dead_percent=shares[worst])
        if shares[worst] <= self.threshold_layer:
            return False
        return self.found(
            f"{shares[worst]:.1f} % of the units of {worst} are active in less than "
            f"{self.threshold_inactivity:g} % of their outputs"
        )

    def _active(self, name: str, step: int) -> npt.NDArray[np.floating]:
        """Share of each unit's outputs above zero, shape [units]."""
        if self.trial.summaries:
            active: npt.NDArray[np.floating] = self.trial.tensor(name).reduction_value(
                step, "active"
            )
            return active
        output = self.trial.tensor(name).value(step)
        unit = output.ndim - 1 if output.ndim == 3 else 1
        others = tuple(dimension for dimension in range(output.ndim) if dimension != unit)
        return np.asarray((output > 0).mean(axis=others))
