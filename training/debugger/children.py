"""The debugger's two processes: started beside the training process, ended with it."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.debugger.interface import Earlier
from training.debugger.runner import FINISH
from training.debugger.status import FINAL, Evaluation, read, read_seen

ROOT = Path(__file__).resolve().parents[2]  # the folder that holds the package `training`
STALL_S = 30.0  # a writer that reads nothing for so long is given up
PIPE_BYTES = 1 << 20
POLL_S = 0.02  # how often the rules' progress is read


def start(module: str, folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start one of the debugger's modules in the folder that it writes to, with a pipe as stdin.

    It has its own session, so that Ctrl-C reaches the training process alone. It exits when its
    stdin closes, that is when the training process ends, for whatever reason. Its working directory
    stays the same folder when a restarted training renames it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",  # leave the processors to the training
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-P", "-m", module, *arguments]  # -P: import nothing from `folder`
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, env=environment, start_new_session=True, cwd=folder
    )


class Writer:
    """`training.debugger.writer`, which turns frames into a trial."""

    def __init__(self, tensors: Path) -> None:
        self.process = start("training.debugger.writer", tensors)
        assert self.process.stdin is not None  # noqa: S101  # asked for above
        self.pipe = self.process.stdin.fileno()
        os.set_blocking(self.pipe, False)
        if sys.platform == "linux":
            import fcntl

            fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def send(self, frames: bytes) -> None:
        """Send frames; blocks while the pipe is full.

        Raises:
            OSError: the writer died, or read nothing for STALL_S (TimeoutError).
        """
        left = memoryview(frames)
        while left:
            try:
                left = left[os.write(self.pipe, left) :]
            except BlockingIOError:
                if not select.select([], [self.pipe], [], STALL_S)[1]:
                    raise TimeoutError(f"the writer read nothing for {STALL_S:.0f} s") from None

    def close(self, timeout_s: float) -> None:
        """Wait until everything is on disk, at most `timeout_s`."""
        close(self.process, b"", timeout_s)


class RulesProcess:
    """`training.debugger.runner`, which evaluates the rules."""

    def __init__(
        self,
        tensors: Path,
        statuses: Path,
        rules: Mapping[str, Mapping[str, Any]],
        earlier: Earlier,
    ) -> None:
        self.statuses, self.rules = statuses, rules
        arguments = json.dumps({name: dict(parameters) for name, parameters in rules.items()})
        before = json.dumps({"rounds": list(earlier.rounds), "issues": dict(earlier.issues)})
        trial = str(tensors.resolve())
        self.process = start("training.debugger.runner", statuses, trial, arguments, before)

    def catch_up(self, step: int, rules: Sequence[str], timeout_s: float) -> bool:
        """Wait until every rule has seen `step`, or each of `rules` has its final status.

        Returns False after `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None or read_seen(self.statuses) >= step:
                return True
            if all(self.state(rule) in FINAL for rule in rules):
                return True
            time.sleep(POLL_S)
        return False

    def issues(self) -> dict[str, str]:
        """The findings so far, by rule."""
        found = {rule: read(self.statuses, rule) or {} for rule in self.rules}
        return {
            rule: str(state["StatusDetails"])
            for rule, state in found.items()
            if state.get("RuleEvaluationStatus") == "IssuesFound"
        }

    def state(self, rule: str) -> str | None:
        """A rule's RuleEvaluationStatus, None before the process has begun."""
        return (read(self.statuses, rule) or {}).get("RuleEvaluationStatus")

    def finish(self, timeout_s: float) -> dict[str, str]:
        """Wait for the verdicts on a complete trial, at most `timeout_s`.

        Returns:
            rule -> RuleEvaluationStatus, each of them final.
        """
        close(self.process, FINISH, timeout_s)
        for rule, parameters in self.rules.items():
            if self.state(rule) not in FINAL:
                reason = f"the rules did not finish within {timeout_s:.0f} s of the training's end"
                if self.process.returncode not in (0, None, -15):
                    reason = f"the rules' process ended with exit code {self.process.returncode}"
                Evaluation(rule, "Stopped", reason, parameters).write(self.statuses)
        return {rule: str(self.state(rule)) for rule in self.rules}


def close(process: "subprocess.Popen[bytes]", message: bytes, timeout_s: float) -> None:
    """Send a last message, close the pipe, and wait; terminate a process that takes longer."""
    deadline = time.monotonic() + timeout_s
    assert process.stdin is not None  # noqa: S101  # `start` opens it
    try:
        if message:
            process.stdin.write(message)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has exited already; its status files show why
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
