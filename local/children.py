"""What the cloud started and must not leave behind: Lambda workers and serving processes, and their
children.

psutil reads the system's own tables, so that no `ps` has to be on the machine.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

_GRACE_S = 3.0
_PID_DIGITS = 10  # a system's greatest has seven


def descendants(root: int) -> list[int]:
    """Process ids of the children of `root`, of their children, and so on."""
    try:
        return [child.pid for child in psutil.Process(root).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def end_descendants() -> None:
    """SIGTERM to whatever this process still has below it, SIGKILL to what is left after a grace
    period.
    """
    signal_all(descendants(os.getpid()), signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_S
    while descendants(os.getpid()) and time.monotonic() < deadline:
        _reap()
        time.sleep(0.05)
    signal_all(descendants(os.getpid()), signal.SIGKILL)


def signal_all(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to each that has not ended meanwhile."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _reap() -> None:
    """Collect those that ended, whoever started them: the process is about to exit."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def group_members(group: int) -> dict[int, str]:
    """Process id and command line of each process of a group that has not ended."""
    members = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                members[process.pid] = command_line(process.pid)
    return members


def with_variable(name: str, value: str) -> list[int]:
    """Process ids of this user's processes that were started with this environment variable.

    So those are found too that made a session of their own, as torchrun's workers do, and lost
    their parent.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(name) == value:
                found.append(process.pid)
    return found


def command_line(pid: int) -> str:
    """The words that a process was started with; empty where it has ended or is another user's."""
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""


def recorded_pid(file: Path) -> int | None:
    """The process id that a file holds, or None where there is no such file or it holds none."""
    try:
        text = file.read_text().strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return int(text) if text.isdecimal() and len(text) < _PID_DIGITS else None


def listening_port(pid: int) -> int | None:
    """The first TCP port that a process of ours listens on, or None where it does not yet."""
    try:
        connections = psutil.Process(pid).net_connections("tcp4")
    except psutil.Error:
        return None
    ports = (entry.laddr.port for entry in connections if entry.status == psutil.CONN_LISTEN)
    return next(ports, None)
