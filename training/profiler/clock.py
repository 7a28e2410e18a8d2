"""The clock of everything that is recorded: monotonic, and expressed as time since 1970."""

import os
import time
from dataclasses import dataclass
from pathlib import Path


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


def process_start_us(clock: Clock) -> int:
    """When this process was started, epoch us: imports are a part of a job's initialisation.

    From field 22 of /proc/self/stat, in clock ticks since boot (proc(5)); psutil's create_time can
    be a second off, because it adds a boot time in whole seconds. Without /proc it is now.
    """
    now_us = clock.epoch_us(time.perf_counter_ns())
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except FileNotFoundError:
        return now_us
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return now_us - int(max(age_s, 0) * 1e6)
