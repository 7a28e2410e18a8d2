"""Overfit: the validation loss is larger than the training loss by more than a given share."""

from training.debugger.rules.base import RoundRule
from training.debugger.smdebug_bridge import FollowedTrial


class Overfit(RoundRule):
    """True when (validation loss - train loss) / train loss > ratio_threshold, `patience` times.

    Definition: AWS, "List of Debugger built-in rules", Overfit: the ratio of the difference between
    the mean validation and the mean training loss to the mean training loss.

    Parameters:
        start_step (0): Global step from which rounds are judged.
        patience (1): How many rounds in a row the ratio may exceed the threshold before it is an
            issue.
        ratio_threshold (0.1): Largest ratio.

    Decided here: the means are those of a round (the train steps since the last evaluation, then
    the evaluation), so patience counts rounds, in practice epochs. A mean over every step since the
    start would remember the first epoch's high training loss and hide the overfitting.
    """

    def __init__(
        self,
        trial: FollowedTrial,
        start_step: int = 0,
        patience: int = 1,
        ratio_threshold: float = 0.1,
    ) -> None:
        super().__init__(
            trial, start_step=start_step, patience=patience, ratio_threshold=ratio_threshold
        )
        self.start_step, self.patience = start_step, patience
        self.ratio_threshold = ratio_threshold
        self.exceeded = 0

    def round_ended(self, step: int, train_loss: float, validation_loss: float) -> bool:
        """Compare the round's losses."""
        if step < self.start_step or train_loss <= 0:
            return False
        ratio = (validation_loss - train_loss) / train_loss
        self.note(step=step, train_loss=train_loss, validation_loss=validation_loss, ratio=ratio)
        self.exceeded = self.exceeded + 1 if ratio > self.ratio_threshold else 0
        if self.exceeded < self.patience:
            return False
        return self.found(
            f"validation loss {validation_loss:.4g} is {ratio:.0%} above the training loss "
            f"{train_loss:.4g} in round {self.rounds}; more than {self.ratio_threshold:.0%} in "
            f"{self.exceeded} round(s) running"
        )
