"""What the training script knows of its own job and the profiler cannot see."""

from collections.abc import Mapping
from dataclasses import dataclass, field

UNKNOWN = "unknown"


@dataclass(frozen=True)
class JobFacts:
    """Facts of one job, shown in the report and used in its recommendations.

    Attributes:
        name: The job's name (TrainingJobName, or the model's name in a bare run).
        flags: The command line as `vars(arguments)` gives it; underscores or hyphens.
        failure: Why the job failed; None when it completed.
        workers: Data-loading processes; None when the batches come from memory.
    """

    name: str
    flags: Mapping[str, object] = field(default_factory=dict)
    failure: str | None = None
    workers: int | None = None

    def flag(self, name: str) -> str | None:
        """Value of the flag `name` (with hyphens) as text; None when it was not given."""
        for key, value in self.flags.items():
            if key.replace("_", "-") == name and value is not None:
                return str(value)
        return None
