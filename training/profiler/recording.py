"""The records of one job as plain values: the input of every analysis."""

from collections.abc import Mapping
from dataclasses import dataclass

from training.profiler.facts import JobFacts
from training.profiler.operators import Operator


@dataclass(frozen=True)
class Sample:
    """The machine during the interval that ended at `at_s` (seconds since the epoch).

    Percentages, one a core or GPU; rates in bytes (operations) a second; None or empty where
    nothing was recorded. `job_cpu` is a share of all cores, `job_memory` of the machine's memory.
    """

    at_s: float
    cpu: tuple[float, ...] = ()
    io_wait: tuple[float, ...] = ()
    gpu: tuple[float, ...] = ()
    gpu_memory: tuple[float, ...] = ()
    memory: float | None = None
    disk_operations: float | None = None
    read: float | None = None
    written: float | None = None
    received: float | None = None
    sent: float | None = None
    job_cpu: float | None = None
    job_memory: float | None = None
    job_bytes: float | None = None


@dataclass(frozen=True)
class Span:
    """A phase that ran outside a step; times in seconds since the epoch."""

    name: str
    start_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """Its duration."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Step:
    """One step and the own seconds of its phases. `traced`: torch.profiler slowed it down."""

    mode: str
    epoch: int
    number: int
    batch_size: int
    start_s: float
    end_s: float
    phases: Mapping[str, float]
    traced: bool = False

    @property
    def seconds(self) -> float:
        """Its duration."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Recording:
    """Everything that one job recorded, in order of time.

    Attributes:
        start_s: Start of the process (of the first record, where that is not known), epoch seconds.
        end_s: When the profiler was closed; the last record's time for a job that was killed.
        complete: Whether the profiler was closed.
        operator_us: Self CPU time of all traced operators, of which `operators` are the largest.
        damaged_lines: Lines that could not be read.
    """

    job: JobFacts
    start_s: float
    end_s: float
    complete: bool
    samples: tuple[Sample, ...] = ()
    spans: tuple[Span, ...] = ()
    steps: tuple[Step, ...] = ()
    operators: tuple[Operator, ...] = ()
    operator_us: float = 0.0
    damaged_lines: int = 0

    @property
    def seconds(self) -> float:
        """Duration of the job."""
        return self.end_s - self.start_s
