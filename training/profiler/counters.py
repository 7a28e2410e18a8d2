"""The machine's counters now, from psutil: processors, memory, disks, network, and the job's."""

import os
from dataclasses import dataclass


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


def read(pid: int) -> Counters:
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
