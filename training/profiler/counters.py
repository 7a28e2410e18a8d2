"""The machine's counters as they are now: of processors, memory, disks, network, and of the job.

Two sources give the same numbers: psutil, which AWS's training images have, and Linux's /proc.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_SECTOR_BYTES = 512  # unit of /proc/diskstats, whatever the disk's own sector is
# Block devices that stand upon other ones (or on memory): counting them would count twice.
_STACKED_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr")


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


class Source(Protocol):
    """Where counters come from."""

    def read(self) -> Counters:
        """The counters now. Raises OSError when the system does not tell."""


class PsutilSource:
    """Counters from psutil, on every system that it knows. Raises ImportError without psutil."""

    def __init__(self, pid: int) -> None:
        import psutil

        self._psutil = psutil
        self._pid = pid

    def read(self) -> Counters:
        """The counters now."""
        psutil = self._psutil
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
            job=self._job(),
        )

    def _job(self) -> tuple[float, int] | None:
        psutil = self._psutil
        seconds, resident = 0.0, 0
        try:
            root = psutil.Process(self._pid)
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
                continue  # it ended while we looked
            seconds += times.user + times.system
        return seconds, resident


class ProcSource:
    """Counters from Linux's /proc, for a job whose image lacks psutil."""

    def __init__(self, pid: int, proc: Path = Path("/proc")) -> None:
        """Read `proc`. Raises FileNotFoundError on a system without it."""
        self._proc = proc
        self._pid = pid
        (proc / "stat").stat()

    def read(self) -> Counters:
        """The counters now."""
        total, available = self._memory()
        read, written, operations = self._disks()
        received, sent = self._network()
        return Counters(
            cores=self._cores(),
            memory_used_percent=100 * (total - available) / total,
            memory_bytes=total,
            read_bytes=read,
            write_bytes=written,
            disk_operations=operations,
            received_bytes=received,
            sent_bytes=sent,
            job=self._job(),
        )

    def _lines(self, name: str) -> list[list[str]]:
        text = (self._proc / name).read_text(encoding="utf-8")
        return [line.replace(":", ": ").split() for line in text.splitlines()]

    def _cores(self) -> tuple[tuple[float, float, float], ...]:
        names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
        return tuple(
            _core({name: int(ticks) / _TICKS for name, ticks in zip(names, line[1:], strict=False)})
            for line in self._lines("stat")
            if line and line[0].startswith("cpu") and line[0] != "cpu"
        )

    def _memory(self) -> tuple[int, int]:
        kib = {line[0].rstrip(":"): int(line[1]) for line in self._lines("meminfo")}
        return kib["MemTotal"] * 1024, kib["MemAvailable"] * 1024

    def _disks(self) -> tuple[int, int, int]:
        whole = [
            line
            for line in self._lines("diskstats")
            if not line[2].startswith(_STACKED_DISKS) and Path("/sys/block", line[2]).exists()
        ]
        return (
            sum(int(line[5]) for line in whole) * _SECTOR_BYTES,
            sum(int(line[9]) for line in whole) * _SECTOR_BYTES,
            sum(int(line[3]) + int(line[7]) for line in whole),
        )

    def _network(self) -> tuple[int, int]:
        cards = [line for line in self._lines("net/dev")[2:] if not line[0].startswith("lo")]
        return sum(int(card[1]) for card in cards), sum(int(card[9]) for card in cards)

    def _job(self) -> tuple[float, int] | None:
        seconds, pages, waiting = 0.0, 0, [self._pid]
        found = False
        while waiting:
            pid = waiting.pop()
            if pid == os.getpid():
                continue
            folder = self._proc / str(pid)
            try:
                # The second field is the program's name, in brackets, and may hold anything.
                fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                tasks = [*(folder / "task").glob("*/children")]
                waiting += [int(child) for task in tasks for child in task.read_text().split()]
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
            found = True
            seconds += (int(fields[11]) + int(fields[12])) / _TICKS
            pages += int(fields[21])
        return (seconds, pages * os.sysconf("SC_PAGE_SIZE")) if found else None


def _core(times: dict[str, float]) -> tuple[float, float, float]:
    """(busy, waiting for I/O, all) seconds. Guests' time is within user's, so it is left out."""
    waiting = times.get("iowait", 0.0)
    everything = sum(
        seconds for name, seconds in times.items() if name not in ("guest", "guest_nice")
    )
    return everything - times["idle"] - waiting, waiting, everything
