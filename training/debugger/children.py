"""The debugger's two processes: started beside the training process, ended with it."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.debugger.runner import FINISH
from training.debugger.status import FINAL, Evaluation, read

ROOT = Path(__file__).resolve().parents[2]  # the folder that holds the package `training`
STALL_S = 30.0  # a writer that takes nothing for so long is given up
PIPE_BYTES = 1 << 20


def start(module: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start one of the debugger's modules, fed through a pipe.

    In a session of its own, so that Ctrl-C reaches the training process alone; it ends when its
    stdin does, that is with the training process, however that ends.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",  # they do no parallel arithmetic; training has the processors
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, env=environment, start_new_session=True, cwd=ROOT
    )


class Writer:
    """`training.debugger.writer`, which turns frames into a trial."""

    def __init__(self, tensors: Path) -> None:
        self.process = start("training.debugger.writer", str(tensors))
        assert self.process.stdin is not None  # noqa: S101  # asked for above
        self.pipe = self.process.stdin.fileno()
        os.set_blocking(self.pipe, False)
        if sys.platform == "linux":
            import fcntl

            fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def send(self, frames: bytes) -> None:
        """Hand frames over; waits while the pipe is full.

        Raises:
            OSError: the writer died, or took nothing for STALL_S (TimeoutError).
        """
        left = memoryview(frames)
        while left:
            try:
                left = left[os.write(self.pipe, left) :]
            except BlockingIOError:
                if not select.select([], [self.pipe], [], STALL_S)[1]:
                    raise TimeoutError(f"the writer took nothing for {STALL_S:.0f} s") from None

    def close(self, timeout_s: float) -> None:
        """Wait until everything is on disk, at most `timeout_s`."""
        close(self.process, b"", timeout_s)


class RulesProcess:
    """`training.debugger.runner`, which evaluates the rules."""

    def __init__(
        self, tensors: Path, statuses: Path, rules: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self.statuses, self.rules = statuses, rules
        arguments = json.dumps({name: dict(parameters) for name, parameters in rules.items()})
        self.process = start("training.debugger.runner", str(tensors), str(statuses), arguments)

    def finish(self, timeout_s: float) -> dict[str, str]:
        """Wait for the verdicts on a trial that is complete, at most `timeout_s`.

        Returns:
            rule -> RuleEvaluationStatus, each of them final.
        """
        close(self.process, FINISH, timeout_s)
        for rule, parameters in self.rules.items():
            state = (read(self.statuses, rule) or {}).get("RuleEvaluationStatus")
            if state not in FINAL:
                reason = f"the rules did not finish within {timeout_s:.0f} s of the training's end"
                if self.process.returncode not in (0, None, -15):
                    reason = f"the rules' process ended with exit code {self.process.returncode}"
                Evaluation(rule, "Stopped", reason, parameters).write(self.statuses)
        states = {rule: read(self.statuses, rule) or {} for rule in self.rules}
        return {rule: str(state["RuleEvaluationStatus"]) for rule, state in states.items()}


def close(process: "subprocess.Popen[bytes]", word: bytes, timeout_s: float) -> None:
    """Say a last word, close the pipe, and wait; end a process that takes longer."""
    deadline = time.monotonic() + timeout_s
    assert process.stdin is not None  # noqa: S101  # `start` opens it
    try:
        if word:
            process.stdin.write(word)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has ended already; what it left tells why
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
