"""A copy of the project, and the processes in it that run its tests."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from tests.mutants.changes import Change
from tests.mutants.forks import OUTPUT

if TYPE_CHECKING:
    from tests.mutants.__main__ import Target

FIRST_TIMEOUT_S = 600
PASSED = 0


@dataclass(frozen=True)
class Recording:
    """A run of a module's tests without a change: which test calls what, in what time."""

    seconds: float
    shared: list[str]
    tests: dict[str, dict[str, Any]]

    def chosen(self, function: str) -> list[str]:
        """The tests that call the function, quick ones first; all where that cannot be told."""
        calling = [name for name, test in self.tests.items() if function in test["functions"]]
        if not function or not calling or function in self.shared:
            calling = list(self.tests)
        return sorted(calling, key=lambda name: cast(float, self.tests[name]["seconds"]))


class BrokenTestsError(Exception):
    """Nothing can be said of a module whose tests fail without a change."""


class Worker:
    """Runs one change at a time."""

    def __init__(self, root: Path, folder: Path, libraries: dict[str, list[str]]) -> None:
        self._folder, self._libraries = folder, libraries
        self._servers: dict[str, subprocess.Popen[str]] = {}
        _copy(root, folder)

    def record(self, target: "Target") -> Recording:
        """Run the tests as they are.

        Raises:
            BrokenTestsError: they fail already.
        """
        answer = self._ask(target, record=True, timeout_s=FIRST_TIMEOUT_S)
        if answer["code"] != PASSED:  # recording slows them down, which some deadline may not bear
            answer = {"shared": [], "tests": {}, **self._ask(target, timeout_s=FIRST_TIMEOUT_S)}
        if answer["code"] != PASSED:
            output = (self._folder / OUTPUT).read_text(encoding="utf-8", errors="replace")
            raise BrokenTestsError(f"{target.module}: its tests fail without a change\n{output}")
        return Recording(answer["seconds"], answer["shared"], answer["tests"])

    def run(self, target: "Target", change: Change, untouched: Recording) -> str:
        """`killed`, `survived` or `timeout`."""
        answer = self._ask(
            target,
            source=change.source,
            chosen=untouched.chosen(change.function),
            timeout_s=10 + 4 * untouched.seconds,
        )
        if answer["code"] is None:
            return "timeout"
        return "survived" if answer["code"] == PASSED else "killed"

    def close(self) -> None:
        """End the processes."""
        for server in self._servers.values():
            server.communicate()

    def _ask(self, target: "Target", **request: Any) -> dict[str, Any]:
        server = self._servers.get(target.environment) or self._start(target.environment)
        message = {
            "module": target.module,
            "tests": target.tests,
            "select": target.select,
            **request,
        }
        cast(IO[str], server.stdin).write(json.dumps(message) + "\n")
        cast(IO[str], server.stdin).flush()
        return self._answer(server)

    def _start(self, environment: str) -> subprocess.Popen[str]:
        python = self._folder / ".venv" / environment / "bin" / "python"
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        server = subprocess.Popen(
            [python, "-m", "tests.mutants.forks", *self._libraries[environment]],
            cwd=self._folder,
            env={**os.environ, **one_thread, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._servers[environment] = server
        self._answer(server)
        return server

    @staticmethod
    def _answer(server: subprocess.Popen[str]) -> dict[str, Any]:
        line = cast(IO[str], server.stdout).readline()
        if not line:
            raise RuntimeError(f"The tests' process ended with {server.wait()}: {server.args!r}")
        return cast(dict[str, Any], json.loads(line))


def _copy(root: Path, folder: Path) -> None:
    """What git knows or would add, and the environments as a link."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    for name in names.rstrip("\0").split("\0"):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
    (folder / ".venv").symlink_to(root / ".venv")
