"""A serving process's last words, and the processes below a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.children import command_line, descendants, listening_port, recorded_pid
from local.sagemaker.container import ContainerFiles, ProcessFailedError, last_line
from local.sagemaker.variant import ServingProcess


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (b"", ""),
        (b"\n \n", ""),
        (b"one\ntwo\n\n", "two"),
        (b"no newline", "no newline"),
        (b"caf\xe9\n", "caf\ufffd"),
        (b"x" * 20_000, "x" * 700),
        (
            b"Traceback:\n  File\nValueError: sha256 of model.safetensors differs\n",
            "ValueError: sha256 of model.safetensors differs",
        ),
    ],
)
def test_last_words_are_the_last_line_with_something_in_it(
    tmp_path: Path, log: bytes, words: str
) -> None:
    (tmp_path / "log").write_bytes(log)

    assert last_line(tmp_path / "log") == words


def test_words_of_an_earlier_process_are_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"from before\n")

    assert last_line(tmp_path / "log", start=len(b"from before\n")) == ""


def _files(tmp_path: Path, code: str) -> ContainerFiles:
    files = ContainerFiles(tmp_path / "home")
    package = files.model / "code" / "serving"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text(code)
    return files


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "import sys; print('up'); sys.exit('manifest.json: sha256 differs')",
            "manifest.json: sha256 differs",
        ),
        ("raise SystemExit(3)", "exit code 3 without a word."),
        ("import os; print('hm', flush=True); os.kill(os.getpid(), 9)", "killed by SIGKILL. hm"),
    ],
)
def test_process_that_ends_while_starting_is_failed_with_its_words(
    tmp_path: Path, code: str, words: str
) -> None:
    process = ServingProcess(Path(sys.executable), _files(tmp_path, code), {})

    with pytest.raises(ProcessFailedError) as raised:
        process.wait_ready(timeout_s=30)

    assert str(raised.value) == words
    process.stop()


def test_process_that_never_answers_is_failed_at_the_deadline(tmp_path: Path) -> None:
    code = "import time; print('thinking', flush=True); time.sleep(60)"
    process = ServingProcess(Path(sys.executable), _files(tmp_path, code), {})
    try:
        with pytest.raises(ProcessFailedError, match="no answer to /ping within 1 s"):
            process.wait_ready(timeout_s=1)
    finally:
        process.stop()
    assert not process.alive
    assert not process.files.pid_file.exists()


SERVING = """
import argparse, http.server
parser = argparse.ArgumentParser()
parser.add_argument("--model-dir")
parser.add_argument("--port", type=int)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
options = parser.parse_args()
assert options.port == 0, options
http.server.HTTPServer(("127.0.0.1", options.port), Handler).serve_forever()
"""


def test_processes_choose_their_own_ports_and_each_is_found(tmp_path: Path) -> None:
    python = Path(sys.executable)
    first = ServingProcess(python, _files(tmp_path / "1", SERVING), {})
    second = ServingProcess(python, _files(tmp_path / "2", SERVING), {})
    try:
        first.wait_ready(timeout_s=30)
        second.wait_ready(timeout_s=30)
        assert None not in (first.port, second.port)
        assert first.port != second.port
        assert listening_port(first.pid) == first.port
    finally:
        first.stop()
        second.stop()
    assert listening_port(first.pid) is None


def test_process_whose_number_cannot_be_written_down_is_not_left_running(tmp_path: Path) -> None:
    files = _files(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    files.pid_file.mkdir()
    before = descendants(os.getpid())

    with pytest.raises(ProcessFailedError, match="pid cannot be written"):
        ServingProcess(Path(sys.executable), files, {})

    assert set(descendants(os.getpid())) <= set(before)


def test_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailedError, match="/nowhere/python cannot be started"):
        ServingProcess(Path("/nowhere/python"), _files(tmp_path, ""), {})


def test_descendants_are_children_and_their_children() -> None:
    script = (
        "import subprocess; p = subprocess.Popen(['sleep', '60']); "
        "print(p.pid, flush=True); p.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as top:
        assert top.stdout is not None
        below = int(top.stdout.readline())
        try:
            assert descendants(top.pid) == [below]
        finally:
            subprocess.run(["kill", str(below)], check=True)


def test_process_is_known_by_its_command_line_while_it_runs() -> None:
    command = [sys.executable, "-c", "print(flush=True); input()", "--model-dir", "a b"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert command_line(process.pid) == " ".join(command)
        process.communicate("\n")
    assert command_line(process.pid) == ""
    assert descendants(process.pid) == []


@pytest.mark.parametrize(
    ("content", "pid"),
    [
        (b"123\n", 123),
        (b"", None),
        (b"-1", None),
        (b"12 34", None),
        (b"\xc2\xb2", None),
        (b"\xff\xfe", None),
        (b"9" * 40, None),
    ],
)
def test_number_of_a_process_is_read_only_where_it_is_one(
    tmp_path: Path, content: bytes, pid: int | None
) -> None:
    (tmp_path / "pid").write_bytes(content)

    assert recorded_pid(tmp_path / "pid") == pid
    assert recorded_pid(tmp_path / "none") is None
