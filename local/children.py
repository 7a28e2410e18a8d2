"""What the cloud started and must not leave behind: Lambda workers and serving processes, and their
children.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress

_GRACE_S = 3.0


def descendants(root: int) -> list[int]:
    """Process ids of the children of `root`, of their children, and so on."""
    with subprocess.Popen(
        ["/bin/ps", "-A", "-o", "pid=,ppid="], stdout=subprocess.PIPE, text=True
    ) as ps:
        shown, _ = ps.communicate()
    children: dict[int, list[int]] = {}
    for line in shown.splitlines():
        pid, parent = (int(word) for word in line.split())
        if pid != ps.pid:
            children.setdefault(parent, []).append(pid)
    found = list(children.get(root, []))
    for pid in found:  # grows as it goes
        found.extend(children.get(pid, []))
    return found


def end_descendants() -> None:
    """SIGTERM to whatever this process still has below it, SIGKILL to what is left after a grace
    period.
    """
    _signal_all(descendants(os.getpid()), signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_S
    while descendants(os.getpid()) and time.monotonic() < deadline:
        _reap()
        time.sleep(0.05)
    _signal_all(descendants(os.getpid()), signal.SIGKILL)


def _signal_all(pids: list[int], number: signal.Signals) -> None:
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
    shown = subprocess.run(
        ["/bin/ps", "-A", "-ww", "-o", "pid=,pgid=,stat=,command="],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    members = {}
    for line in shown.splitlines():
        pid, of, state, *command = line.split(maxsplit=3)
        if int(of) == group and not state.startswith("Z"):
            members[int(pid)] = command[0] if command else ""
    return members
