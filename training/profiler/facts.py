"""What the training script knows about its job and the profiler cannot see."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

UNKNOWN = "unknown"
# What can usually be changed about a job's time or memory.
Lever = Literal[
    "reused features",
    "frozen backbone",
    "network",
    "batch size",
    "views",
    "epochs",
    "loader workers",
    "debugger hook",
    "profiler",
]


@dataclass(frozen=True)
class JobFacts:
    """Facts of one job, shown in the report and used in its recommendations.

    Attributes:
        name: The job's name (TrainingJobName, or the model's name in a bare run).
        flags: The command line as `vars(arguments)` gives it; underscores or hyphens.
        failure: Why the job failed; None when it completed.
        workers: Data-loading processes; None when the batches come from memory.
        views: Augmented copies of every sample whose features are computed.
        hints: How this job changes a lever, such as {"batch size": "--batch-size"}; None for a
            lever that it does not have. A recommendation about any other lever is in general terms.
    """

    name: str
    flags: Mapping[str, object] = field(default_factory=dict)
    failure: str | None = None
    workers: int | None = None
    views: int = 1
    hints: Mapping[Lever, str | None] = field(default_factory=dict)

    def has(self, lever: Lever) -> bool:
        """Whether the job has the lever, as far as is known."""
        return self.hints.get(lever, "") is not None

    def hint(self, *levers: Lever) -> str:
        """The job's hints for `levers` in brackets, to insert in a sentence; "" without any."""
        known = [text for lever in levers if (text := self.hints.get(lever))]
        return f" ({'; '.join(known)})" if known else ""
