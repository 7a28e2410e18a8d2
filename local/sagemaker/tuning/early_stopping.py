"""TrainingJobEarlyStoppingType Auto: which running trial is not worth going on with.

As documented ("Stop Training Jobs Early"): after each epoch (each value of the objective metric),
take the running average of every earlier trial up to the same epoch, and the median of those; a
trial whose value is worse than the median is stopped. Ours: only once three trials have ended,
because the median of fewer says little, and not at a trial's first value.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

MIN_EARLIER_TRIALS = 3
_MIN_EPOCHS = 2


def worse_than_median(
    values: Sequence[float], earlier: Sequence[Sequence[float]], maximise: bool
) -> bool:
    """Whether to stop a trial with these objective values (one an epoch, oldest first).

    `earlier` holds the same of the trials that have ended.
    """
    epoch = len(values)
    comparable = [trial for trial in earlier if len(trial) >= _MIN_EPOCHS]
    if epoch < _MIN_EPOCHS or len(comparable) < MIN_EARLIER_TRIALS:
        return False
    median = statistics.median(statistics.fmean(trial[:epoch]) for trial in comparable)
    return values[-1] < median if maximise else values[-1] > median
