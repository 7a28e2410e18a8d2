"""The process group of one job: the in-container toolkit and everything that it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from local.children import group_members, recorded_pid
from local.sagemaker.jobs.errors import JobError
from local.sagemaker.jobs.layout import Layout

# "SageMaker sends the algorithm the SIGTERM signal, which delays job termination for 120 seconds."
# (API reference, StoppingCondition)
STOP_GRACE_S = 120.0
_POLL_S = 0.1


class JobProcess:
    """Started by the constructor; the caller ends it."""

    def __init__(self, command: list[str], layout: Layout, environment: dict[str, str]) -> None:
        """The last argument of `command` names the job's folder: see `end_leftover`."""
        with layout.log_file.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    command,
                    cwd=layout.home,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                raise JobError(
                    f"InternalServerError: {command[0]} cannot be started: {error}"
                ) from error
        self._layout = layout
        try:
            layout.pid_file.write_text(str(self._process.pid))
        except OSError as error:  # the next cloud could not end it
            self.clear()
            raise JobError(f"InternalServerError: {layout.pid_file}: {error}") from error

    def wait(self, timeout_s: float) -> int | None:
        """The exit code, as Popen gives it; None when it still runs after `timeout_s`."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def end(self, grace_s: float) -> None:
        """SIGTERM to the whole group, and up to `grace_s` seconds to end; `clear` does the rest.

        The toolkit does not outlive a SIGTERM, a script that handles it may: so it is the group
        that is waited for, not its leader.
        """
        signal_group(self._process.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while self._alive() and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def clear(self) -> None:
        """Kill whatever is left of the group: a container ends with its first process."""
        signal_group(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._layout.pid_file.unlink(missing_ok=True)

    def _alive(self) -> bool:
        self._process.poll()
        return bool(group_members(self._process.pid))


def signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass  # all of it has ended
    except PermissionError:
        pass  # macOS says so of a group that holds only processes that have ended


def end_leftover(layout: Layout) -> None:
    """Kill the process group of an earlier cloud that was killed before it could do so itself.

    Its number may be another program's by now, so one of its processes must still name this job's
    folder on its command line.
    """
    recorded = recorded_pid(layout.pid_file)
    if recorded is not None and any(
        str(layout.home) in command for command in group_members(recorded).values()
    ):
        signal_group(recorded, signal.SIGKILL)
    layout.pid_file.unlink(missing_ok=True)
