"""One serving process: `python -m serving` laid out like a container, with its log file."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import urllib3

from local.children import listening_port
from local.settings import HOST, container_environment

# SageMaker's own default is minutes because it also starts an instance; a process here needs a
# second or two.
DEFAULT_START_TIMEOUT_S = 180.0
_STOP_GRACE_S = 10.0
_PING_TIMEOUT_S = 2.0
_LAST_WORDS_BYTES = 8192
_LAST_WORDS_CHARS = 700  # a FailureReason holds 1,024


class ProcessFailedError(Exception):
    """The process ended, or did not answer /ping in time. The message holds its own last words."""


@dataclass(frozen=True)
class Layout:
    """Where a generation of an endpoint lives. `home`/ml is what a container has as /opt/ml."""

    home: Path
    variant: str

    @property
    def model_dir(self) -> Path:
        return self.home / "ml" / "model"

    @property
    def log_file(self) -> Path:
        return self.home / "container.log"

    @property
    def pid_file(self) -> Path:
        return self.home / "pid"


class ServingProcess:
    """Started by the constructor; the caller stops it."""

    def __init__(self, python: Path, layout: Layout, variables: dict[str, str]) -> None:
        self.layout = layout
        self._port: int | None = None
        environment = container_environment(os.environ) | variables
        environment["PYTHONPATH"] = str(layout.model_dir / "code")
        self._log_start = layout.log_file.stat().st_size if layout.log_file.exists() else 0
        command = [
            str(python),
            "-m",
            "serving",
            "--model-dir",
            str(layout.model_dir),
            "--port",
            "0",
        ]
        with layout.log_file.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    command,
                    cwd=layout.home,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            except OSError as error:
                raise ProcessFailedError(f"{command[0]} cannot be started: {error}") from error
        try:
            layout.pid_file.write_text(str(self._process.pid))
        except OSError as error:  # the next cloud could not end it
            self._process.kill()
            self._process.wait()
            raise ProcessFailedError(f"{layout.pid_file} cannot be written: {error}") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def port(self) -> int | None:
        """Where it listens, which it chooses itself; None until it does."""
        if self._port is None and self.alive:
            self._port = listening_port(self.pid)
        return self._port

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> int:
        return self._process.wait()

    def wait_ready(self, timeout_s: float) -> None:
        """Poll /ping until it answers 200. Raises ProcessFailedError."""
        deadline = time.monotonic() + timeout_s
        with urllib3.PoolManager(retries=False, timeout=_PING_TIMEOUT_S) as http:
            while time.monotonic() < deadline:
                if not self.alive:
                    raise ProcessFailedError(self.last_words())
                if self.port is not None and self._ping(http):
                    return
                time.sleep(0.05)
        raise ProcessFailedError(
            f"no answer to /ping within {timeout_s:.0f} s. {self.last_words()}".strip()
        )

    def _ping(self, http: urllib3.PoolManager) -> bool:
        try:
            return http.request("GET", f"http://{HOST}:{self.port}/ping").status == 200
        except urllib3.exceptions.HTTPError:
            return False  # busy loading, or ended

    def stop(self) -> None:
        """SIGTERM, which lets it finish what is in flight; SIGKILL after a grace period."""
        if self.alive:
            self._process.terminate()
            try:
                self._process.wait(_STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.layout.pid_file.unlink(missing_ok=True)

    def last_words(self) -> str:
        """How it ended, and the last line it wrote."""
        words = last_line(self.layout.log_file, self._log_start)
        code = self._process.poll()
        ended = ""
        if code is not None and code < 0:
            ended = f"killed by {signal.Signals(-code).name}. "
        elif code is not None and not words:
            ended = f"exit code {code} without a word. "
        return (ended + words).strip()


def last_line(log_file: Path, start: int = 0) -> str:
    """The last line that is not empty, of what was written at or after byte `start`."""
    with log_file.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(start, size - _LAST_WORDS_BYTES))
        lines = log.read().decode(errors="replace").splitlines()
    spoken = [line.strip() for line in lines if line.strip()]
    return spoken[-1][:_LAST_WORDS_CHARS] if spoken else ""
