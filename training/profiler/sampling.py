"""System metrics twice a second, by a process of its own, in SageMaker Debugger's file format.

    system/incremental/<YYYYmmddHH>/<epoch of the full minute>.algo-1.json
    {"Type":"cpu","Name":"cpu0","Dimension":"CPUUtilization","Value":4.76,"NodeId":"algo-1",...}

A thread would compete with the training loop for the interpreter lock; a process costs the loop
only its share of a core. It ends when its standard input closes or when it has another parent than
at the start, so it never outlives the training process.

Types, names and dimensions are those of AWS's files. One type is ours, "process": the use of the
job's own processes, because the figures of a laptop or a shared host include other programs.
"""

import argparse
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from training.profiler.clock import Clock

INTERVAL_S = 0.5  # the interval of SageMaker's own system monitoring, unless asked otherwise
NODE = "algo-1"

Metric = tuple[str, str, str, float]  # type, name, dimension, value


@dataclass(frozen=True)
class Counters:
    """Totals since boot; seconds and bytes. Per core: (busy, waiting for I/O, all) seconds.

    `job` holds the CPU seconds of the job's processes that are alive and their resident bytes,
    without the process that asks; it is None when the job has ended.
    """

    cores: tuple[tuple[float, float, float], ...]
    memory_used_percent: float
    memory_bytes: int
    read_bytes: int
    write_bytes: int
    disk_operations: int
    received_bytes: int
    sent_bytes: int
    job: tuple[float, int] | None


def counters(pid: int) -> Counters:
    """The counters of the machine, and of the process `pid` with its descendants.

    Raises ImportError without psutil and OSError when the system refuses.
    """
    import psutil

    memory = psutil.virtual_memory()
    disks = psutil.disk_io_counters()  # None where there is no disk, as in some containers
    network = [
        counters
        for name, counters in psutil.net_io_counters(pernic=True).items()
        if not name.startswith("lo")
    ]
    return Counters(
        cores=tuple(_core(times._asdict()) for times in psutil.cpu_times(percpu=True)),
        memory_used_percent=memory.percent,
        memory_bytes=memory.total,
        read_bytes=disks.read_bytes if disks else 0,
        write_bytes=disks.write_bytes if disks else 0,
        disk_operations=disks.read_count + disks.write_count if disks else 0,
        received_bytes=sum(nic.bytes_recv for nic in network),
        sent_bytes=sum(nic.bytes_sent for nic in network),
        job=_job(pid),
    )


def _job(pid: int) -> tuple[float, int] | None:
    import psutil

    seconds, resident = 0.0, 0
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return None
    for process in family:
        if process.pid == os.getpid():
            continue
        try:
            times = process.cpu_times()
            resident += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # it has just ended
        seconds += times.user + times.system
    return seconds, resident


def _core(times: dict[str, float]) -> tuple[float, float, float]:
    """(busy, waiting for I/O, all) seconds. Guests' time is within user's, so it is left out."""
    waiting = times.get("iowait", 0.0)
    everything = sum(
        seconds for name, seconds in times.items() if name not in ("guest", "guest_nice")
    )
    return everything - times["idle"] - waiting, waiting, everything


class MinuteFiles:
    """Appends JSON lines to the file of their minute."""

    def __init__(self, folder: Path) -> None:
        """Write under `folder`/system/incremental."""
        self._folder = folder / "system" / "incremental"

    def write(self, timestamp_s: float, metrics: Sequence[Metric]) -> None:
        """Append one sample, all lines at once, so that a reader sees whole samples."""
        minute = int(timestamp_s) // 60 * 60
        hour = datetime.fromtimestamp(minute, UTC).strftime("%Y%m%d%H")
        path = self._folder / hour / f"{minute}.{NODE}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            json.dumps(
                {
                    "Type": type_,
                    "Name": name,
                    "Dimension": dimension,
                    "Value": round(value, 2),
                    "NodeId": NODE,
                    "Timestamp": timestamp_s,
                },
                separators=(",", ":"),
            )
            for type_, name, dimension, value in metrics
        ]
        with path.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


def metrics(before: Counters, now: Counters, seconds: float) -> Iterator[Metric]:
    """The metrics of the `seconds` between two readings.

    Utilisation is the busy share of a core's time in percent, without waiting for I/O, which has
    its own dimension (both are shares of the same time and add up to 100 at most).
    """
    for number, (old, new) in enumerate(zip(before.cores, now.cores, strict=False)):
        spent = max(new[2] - old[2], 1e-9)
        busy, waiting = (min(max(100 * (new[i] - old[i]) / spent, 0), 100) for i in (0, 1))
        yield "cpu", f"cpu{number}", "CPUUtilization", busy
        yield "cpu", f"cpu{number}", "I/OWaitPercentage", waiting
    yield "memory", "MemoryUsedPercent", "", now.memory_used_percent
    for type_, name, dimension, field in (
        ("i/o", "IOPS", "", "disk_operations"),
        ("i/o", "ReadThroughputInBytesPerSecond", "", "read_bytes"),
        ("i/o", "WriteThroughputInBytesPerSecond", "", "write_bytes"),
        ("network", "ReceiveBytesPerSecond", "Algorithm", "received_bytes"),
        ("network", "TransmitBytesPerSecond", "Algorithm", "sent_bytes"),
    ):
        # A counter that fell (a disk or a network card was removed) has no rate in this interval.
        change = max(getattr(now, field) - getattr(before, field), 0)
        yield type_, name, dimension, change / seconds
    if before.job and now.job:
        # The seconds of children that have ended are no longer counted.
        used = max(now.job[0] - before.job[0], 0) / (seconds * max(len(now.cores), 1))
        yield "process", "job", "ProcessUtilization", min(100 * used, 100)
        yield "process", "job", "ProcessResidentPercent", 100 * now.job[1] / now.memory_bytes
        yield "process", "job", "ProcessResidentBytes", now.job[1]


def sample(files: MinuteFiles, clock: Clock, parent: int) -> None:
    """Write a sample every INTERVAL_S until standard input closes or the parent has ended."""
    before, before_s = counters(parent), time.monotonic()
    due_s = before_s + INTERVAL_S
    stopping = False
    while not stopping and os.getppid() == parent:
        wait_s = max(due_s - time.monotonic(), 0)
        stopping = bool(select.select([sys.stdin], [], [], wait_s)[0])
        now, now_s = counters(parent), time.monotonic()
        if now_s - before_s > INTERVAL_S / 10:  # a shorter last interval is all rounding
            files.write(clock.now_s(), [*metrics(before, now, now_s - before_s)])
            before, before_s = now, now_s
        due_s = max(due_s + INTERVAL_S, now_s)  # keep the interval; do not catch up after a stall


def main(arguments: Sequence[str] | None = None) -> int:
    """Sample the parent process and its machine. Returns 0; 1 when metrics could not be written."""
    parser = argparse.ArgumentParser(description="Write system metrics until stdin closes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--offset-ns", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the training process decides when to end
    try:
        sample(MinuteFiles(options.folder), Clock(options.offset_ns), options.parent)
    except (ImportError, OSError) as error:  # psutil is not installed, or the disk is full
        print(f"profiler: no system metrics from here on: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
