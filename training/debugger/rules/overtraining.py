"""Overtraining: the model has reached its minimum and training continues."""

import math

from training.debugger.rules.base import RoundRule
from training.debugger.smdebug_bridge import FollowedTrial


class Overtraining(RoundRule):
    """True when neither training nor validation loss has improved for their patience.

    Definition: AWS, "List of Debugger built-in rules", Overtraining: a well-behaved model
    approaches a minimum and does not improve any more; if training continues, the validation loss
    may rise.

    Parameters:
        patience_train (5): Rounds to wait for the training loss to improve.
        patience_validation (10): Rounds to wait for the validation loss to improve.
        delta (0.01): By how much a loss must fall below its best to count as improved (in units of
            the loss, not a share).

    Decided here, since AWS does not define how the two combine: both must have run out, because a
    training loss that still falls is a case for the Overfit rule. Patience counts rounds (the train
    steps since the last evaluation, then the evaluation), in practice epochs: the losses of single
    batches go up and down by more than delta.
    """

    def __init__(
        self,
        trial: FollowedTrial,
        patience_train: int = 5,
        patience_validation: int = 10,
        delta: float = 0.01,
    ) -> None:
        super().__init__(
            trial,
            patience_train=patience_train,
            patience_validation=patience_validation,
            delta=delta,
        )
        self.patience_train, self.patience_validation = patience_train, patience_validation
        self.delta = delta
        self.best_train, self.best_validation = math.inf, math.inf
        self.since_train, self.since_validation = 0, 0

    def round_ended(self, step: int, train_loss: float, validation_loss: float) -> bool:
        """Count the rounds since either loss improved."""
        self.since_train += 1
        self.since_validation += 1
        if train_loss < self.best_train - self.delta:
            self.best_train, self.since_train = train_loss, 0
        if validation_loss < self.best_validation - self.delta:
            self.best_validation, self.since_validation = validation_loss, 0
        self.note(step=step, train_loss=train_loss, validation_loss=validation_loss)
        if self.since_train < self.patience_train:
            return False
        if self.since_validation < self.patience_validation:
            return False
        return self.found(
            f"in round {self.rounds} the training loss ({train_loss:.4g}, best "
            f"{self.best_train:.4g}) has not improved by {self.delta:g} for {self.since_train} "
            f"rounds, the validation loss ({validation_loss:.4g}, best {self.best_validation:.4g}) "
            f"for {self.since_validation}"
        )
