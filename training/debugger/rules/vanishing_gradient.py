"""VanishingGradient: gradients become so small that the weights behind them stop learning."""

from training.debugger.rules.base import TRAIN, StepRule
from training.debugger.smdebug_bridge import FollowedTrial


class VanishingGradient(StepRule):
    """True when the mean of a gradient's absolute values drops below `threshold`.

    Definition: AWS, "List of Debugger built-in rules", VanishingGradient.

    Parameters:
        threshold (1e-7): Least mean of the absolute values of a gradient.

    Decided here: any one tensor of the collection `gradients` is enough, in train mode. A gradient
    of exactly zero counts, except that one whose loss is zero too has nothing left to learn.
    """

    def __init__(self, trial: FollowedTrial, threshold: float = 1e-7) -> None:
        super().__init__(trial, threshold=threshold)
        self.threshold = threshold

    def invoke_at_step(self, step: int) -> bool:
        """Look at every gradient of a train step."""
        if self.trial.mode(step) != TRAIN or self.loss(step) == 0:
            return False
        names = self.collection(step, "gradients")
        means = {name: self.reduction(name, step, "mean", absolute=True) for name in names}
        if not means:
            return False
        least = min(means, key=means.__getitem__)
        self.note(step=step, tensor=least, mean_absolute=means[least])
        if not means[least] < self.threshold:
            return False
        small = sum(mean < self.threshold for mean in means.values())
        return self.found(
            f"{least} has a mean absolute gradient of {means[least]:.3g}, below "
            f"{self.threshold:g} ({small} of {len(means)} gradients)"
        )
