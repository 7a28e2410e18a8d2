"""ExplodingTensor: a recorded tensor holds NaN or an infinity."""

import math

import numpy as np

from training.debugger.rules.base import StepRule
from training.debugger.smdebug_bridge import FollowedTrial


class ExplodingTensor(StepRule):
    """True when a tensor of any mode holds a value that is not finite.

    Definition: AWS, "List of Debugger built-in rules", ExplodingTensor.

    Parameters:
        collection_names (None): Collections to look at, separated by commas.
        tensor_regex (None): Tensors to look at, a regular expression. Neither: all recorded.
        only_nan (False): Whether to leave out infinities.

    Decided here: of a summarised tensor its summaries are looked at (loss, mean absolute gradient,
    norm of weights, activity), which are NaN if it holds NaN, and infinite if it holds an infinity
    or its sum of squares overflows float32, which is the same trouble one step earlier.
    """

    def __init__(
        self,
        trial: FollowedTrial,
        collection_names: str | None = None,
        tensor_regex: str | None = None,
        only_nan: bool = False,
    ) -> None:
        super().__init__(
            trial, collection_names=collection_names, tensor_regex=tensor_regex, only_nan=only_nan
        )
        self.collections = collection_names.split(",") if collection_names else []
        self.tensor_regex = tensor_regex
        self.only_nan = only_nan

    def invoke_at_step(self, step: int) -> bool:
        """Look at every tensor of a step."""
        for name in self._names(step):
            for value in self._values(name, step):
                if math.isnan(value) or (math.isinf(value) and not self.only_nan):
                    self.note(step=step, tensor=name, value=value)
                    return self.found(f"{name} holds {value}")
        return False

    def _names(self, step: int) -> list[str]:
        if not self.collections and self.tensor_regex is None:
            return sorted(self.trial.names(step))
        names = {name for one in self.collections for name in self.collection(step, one)}
        if self.tensor_regex is not None:
            names.update(self.matching(step, self.tensor_regex))
        return sorted(names)

    def _values(self, name: str, step: int) -> list[float]:
        tensor = self.trial.tensor(name)
        reductions = tensor.reduction_values(step)
        arrays = list(reductions.values()) or [tensor.value(step)]
        return [float(np.sum(np.abs(array))) for array in arrays]
