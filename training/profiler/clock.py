"""One clock for everything that is recorded: it never jumps, and it is told as time since 1970."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Maps `time.perf_counter_ns` to nanoseconds since the epoch, with an offset taken once.

    The sampler's process gets the same offset (perf_counter is the system's monotonic clock), so
    that samples and steps stay aligned when the wall clock is set in the middle of a job.
    """

    offset_ns: int

    @classmethod
    def start(cls) -> "Clock":
        """A clock that agrees with the wall clock now."""
        return cls(time.time_ns() - time.perf_counter_ns())

    def now_s(self) -> float:
        """Seconds since the epoch."""
        return (time.perf_counter_ns() + self.offset_ns) / 1e9

    def epoch_us(self, counter_ns: int) -> int:
        """Microseconds since the epoch of a `time.perf_counter_ns` reading."""
        return (counter_ns + self.offset_ns) // 1000
