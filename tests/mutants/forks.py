"""Runs a module's tests once for each change, in forks of a process with the heavy libraries.

    <environment>/bin/python -m tests.mutants.forks torch timm ...

Reads one request a line from stdin and answers each with one line, both JSON. Its working directory
is a copy of the project, because it writes the changed source into the module's file.
"""

import contextlib
import gc
import importlib
import io
import json
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

OUTPUT = Path("mutants-output.txt")  # what pytest printed last
RECORD = Path("mutants-record.json")
_ANONYMOUS = re.compile(r"\.?<\w+>")


@dataclass
class Recorder:
    """A pytest plugin: which functions of a file each test calls, and how long the test takes.

    What a fixture of a module or session calls, all tests are said to call.
    """

    path: str
    shared: set[str] = field(default_factory=set)
    tests: dict[str, dict[str, Any]] = field(default_factory=dict)
    _known: dict[CodeType, str | None] = field(default_factory=dict)
    _called: set[str] = field(default_factory=set)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Record the test with its fixtures."""
        self._called = set()
        started_s = time.monotonic()
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            seconds = time.monotonic() - started_s
            self.tests[item.nodeid] = {"functions": sorted(self._called), "seconds": seconds}

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Any:
        """Record apart what is made for several tests."""
        if fixturedef.scope == "function":
            return (yield)
        own, self._called = self._called, self.shared
        try:
            return (yield)
        finally:
            self._called = own

    def pytest_sessionfinish(self) -> None:
        """Hand it to the parent."""
        found = {"shared": sorted(self.shared), "tests": self.tests}
        RECORD.write_text(json.dumps(found), encoding="utf-8")

    def _profile(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            code = frame.f_code
            if code not in self._known:
                ours = code.co_filename.endswith(self.path)
                self._known[code] = _ANONYMOUS.sub("", code.co_qualname) if ours else None
            name = self._known[code]
            if name is not None:
                self._called.add(name)


@dataclass(frozen=True)
class Chosen:
    """A pytest plugin: runs these tests only, in this order."""

    names: list[str]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose, and sort."""
        rank = {name: index for index, name in enumerate(self.names)}
        items[:] = sorted(
            (item for item in items if item.nodeid in rank), key=lambda item: rank[item.nodeid]
        )


def main(libraries: list[str]) -> int:
    """Answer requests until stdin ends."""
    for library in libraries:
        importlib.import_module(library)
    with contextlib.redirect_stdout(
        io.StringIO()
    ):  # finds nothing, but has loaded pytest's plugins
        pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", __file__])
    gc.freeze()  # pytest collects garbage at each end, which need not be looked for in here
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)
    return 0


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    """`code` is pytest's exit code, None after `timeout_s`; a recording adds what it found."""
    path, started_s = Path(request["module"]), time.monotonic()
    original, times = path.read_bytes(), path.stat()
    if request.get("source") is not None:
        path.write_text(request["source"], encoding="utf-8")
    try:
        code = _run(request)
    finally:
        if request.get("source") is not None:
            path.write_bytes(original)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # its bytecode is valid again
    answer: dict[str, Any] = {"code": code, "seconds": time.monotonic() - started_s}
    if request.get("record") and code == 0:
        answer |= json.loads(RECORD.read_text(encoding="utf-8"))
    return answer


def _run(request: dict[str, Any]) -> int | None:
    child = multiprocessing.get_context("fork").Process(target=_child, args=(request,))
    child.start()
    child.join(request["timeout_s"])
    code = child.exitcode
    # The tests' own children, too, those that a killed test left behind among them.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid or 0, signal.SIGKILL)
    child.join()
    return code


def _child(request: dict[str, Any]) -> None:
    os.setsid()
    with OUTPUT.open("wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    plugins: list[object] = []
    if request.get("record"):
        plugins.append(Recorder(request["module"]))
    if request.get("chosen"):
        plugins.append(Chosen(request["chosen"]))
    # The first run leaves bytecode for all that follow. A changed module must leave none.
    sys.dont_write_bytecode = not request.get("record")
    options = [
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "--basetemp=mutants-tmp",
        "-k",
        request["select"],
    ]
    code = pytest.main([*options, *request["tests"]], plugins=plugins)
    sys.stdout.flush()
    os._exit(int(code))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
