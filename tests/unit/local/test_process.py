"""A serving process's last words, and the processes below a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local.children import descendants
from local.sagemaker.process import Layout, ProcessFailedError, ServingProcess, last_line


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


def _layout(tmp_path: Path, code: str) -> Layout:
    layout = Layout(tmp_path / "home", "AllTraffic")
    package = layout.model_dir / "code" / "serving"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text(code)
    return layout


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
    process = ServingProcess(Path(sys.executable), _layout(tmp_path, code), {})

    with pytest.raises(ProcessFailedError) as raised:
        process.wait_ready(timeout_s=30)

    assert str(raised.value) == words
    process.stop()


def test_process_that_never_answers_is_failed_at_the_deadline(tmp_path: Path) -> None:
    code = "import time; print('thinking', flush=True); time.sleep(60)"
    process = ServingProcess(Path(sys.executable), _layout(tmp_path, code), {})
    try:
        with pytest.raises(ProcessFailedError, match="no answer to /ping within 1 s"):
            process.wait_ready(timeout_s=1)
    finally:
        process.stop()
    assert not process.alive
    assert not process.layout.pid_file.exists()


def test_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailedError, match="/nowhere/python cannot be started"):
        ServingProcess(Path("/nowhere/python"), _layout(tmp_path, ""), {})


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
