"""The process that samples the machine, as the training process starts and ends it."""

import os
import subprocess
import sys
from pathlib import Path

from training.profiler.clock import Clock

_STOP_TIMEOUT_S = 5.0
_ROOT = Path(__file__).resolve().parents[2]  # what holds the package `training`


class Sampler:
    """The sampling process, seen from the training process."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Start sampling into `folder`/system. Raises OSError when no process can be started."""
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "training.profiler.sampling", str(folder)]
        self._process = subprocess.Popen(
            # Passed on: if we are killed while it starts, it would see another parent.
            [*command, f"--offset-ns={clock.offset_ns}", f"--parent={os.getpid()}"],
            stdin=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
        )

    @property
    def pid(self) -> int:
        """Process id of the sampler."""
        return self._process.pid

    def stop(self) -> None:
        """Take a last sample and end; returns when the files are complete."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
