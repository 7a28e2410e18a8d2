"""What stands for a container on this machine: a folder, and the processes that run in it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from local.children import group_members, recorded_pid, signal_all, with_variable

_POLL_S = 0.1
_LAST_WORDS_BYTES = 8192
_LAST_WORDS_CHARS = 700  # a FailureReason holds 1,024


class ProcessFailedError(Exception):
    """The process could not start, ended, or never became ready. The message says how."""


@dataclass(frozen=True)
class ContainerFiles:
    """A container's folder. `home`/ml is what the container has as /opt/ml."""

    home: Path

    @property
    def ml(self) -> Path:
        return self.home / "ml"

    @property
    def model(self) -> Path:
        return self.ml / "model"

    @property
    def log_file(self) -> Path:
        return self.home / "container.log"

    @property
    def pid_file(self) -> Path:
        return self.home / "pid"

    def processes(self) -> list[int]:
        """Those of a job that has its folder here, also the ones in sessions of their own."""
        return with_variable("SAGEMAKER_BASE_DIR", str(self.ml))

    def end_leftover(self) -> None:
        """Kill what an earlier cloud left running here because it was killed itself.

        The recorded number may be another program's by now, so one process of its group must still
        name this folder on its command line.
        """
        recorded = recorded_pid(self.pid_file)
        self.pid_file.unlink(missing_ok=True)
        if recorded is not None and any(
            str(self.home) in command for command in group_members(recorded).values()
        ):
            _signal_group(recorded, signal.SIGKILL)
        signal_all(self.processes(), signal.SIGKILL)


class ContainerProcess:
    """A process and all that it starts, in a group of their own. The caller ends it."""

    def __init__(
        self, command: list[str], files: ContainerFiles, environment: dict[str, str]
    ) -> None:
        """`command` names the container's folder: see `ContainerFiles.end_leftover`.

        Raises ProcessFailedError.
        """
        self.files = files
        self._log_start = files.log_file.stat().st_size if files.log_file.exists() else 0
        with files.log_file.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    command,
                    cwd=files.home,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                raise ProcessFailedError(f"{command[0]} cannot be started: {error}") from error
        try:
            files.pid_file.write_text(str(self._process.pid))
        except OSError as error:  # the next cloud could not end it
            self._kill()
            raise ProcessFailedError(f"{files.pid_file} cannot be written: {error}") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait(self, timeout_s: float | None = None) -> int | None:
        """The exit code, as Popen gives it; None when it still runs after `timeout_s`."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def end(self, grace_s: float) -> None:
        """SIGTERM to the whole group, and up to `grace_s` seconds to end; `clear` does the rest.

        The first process may not outlive a SIGTERM that another one handles: so it is the group
        that is waited for.
        """
        _signal_group(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while self._lives() and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def clear(self) -> None:
        """Kill whatever is left: a container ends with its first process."""
        self._kill()
        signal_all(self.files.processes(), signal.SIGKILL)
        self.files.pid_file.unlink(missing_ok=True)

    def last_words(self) -> str:
        """How it ended, and the last line it wrote."""
        words = last_line(self.files.log_file, self._log_start)
        code = self._process.poll()
        ended = ""
        if code is not None and code < 0:
            ended = f"killed by {signal.Signals(-code).name}. "
        elif code is not None and not words:
            ended = f"exit code {code} without a word. "
        return (ended + words).strip()

    def _kill(self) -> None:
        _signal_group(self.pid, signal.SIGKILL)
        self._process.wait()

    def _lives(self) -> bool:
        self._process.poll()
        return bool(group_members(self.pid) or self.files.processes())


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass  # all of it has ended
    except PermissionError:
        pass  # macOS says so of a group that holds only processes that have ended


def last_line(log_file: Path, start: int = 0) -> str:
    """The last line that is not empty, of what was written at or after byte `start`."""
    with log_file.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(start, size - _LAST_WORDS_BYTES))
        lines = log.read().decode(errors="replace").splitlines()
    spoken = [line.strip() for line in lines if line.strip()]
    return spoken[-1][:_LAST_WORDS_CHARS] if spoken else ""
