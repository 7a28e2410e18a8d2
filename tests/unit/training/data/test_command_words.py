"""python -m training.data: what --help says, what bars show, what options hand on."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from rigs.photos import ROOT
from tests.unit.training.data.photos import small_set, write_files
from training.data import __main__ as command
from training.data import download as downloading
from training.data.dataset import DataSet
from training.data.splitting import DEFAULT_FRACTIONS

SOURCE = [
    "folder train/valid/test, or class folders",
    "--seed SEED of the split, where one is made (default 0)",
    "--fractions FRACTIONS train,valid,test of the split, where one is made (default 0.8,0.1,0.1)",
]
HELP = {
    "": [
        "download fetch and unpack a data set's archive",
        "verify look for what would spoil a training",
        "split copy one folder into train, valid and test",
        "upload send what changed to S3",
    ],
    "download": [
        "target the new folder to unpack into",
        "--url URL a zip (default: dogImages)",
        "--sha256 SHA256 what the archive's must be",
    ],
    "verify": [*SOURCE, "--json JSON also write the whole report here"],
    "split": [*SOURCE, "target the new folder"],
    "upload": [
        *SOURCE,
        "uri s3://bucket/prefix",
        "--delete delete what is there and not in the data set",
    ],
}


@pytest.mark.parametrize("name", HELP)
def test_help_says_what_each_command_and_option_is_for(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        command.main([*name.split(), "--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert [line for line in HELP[name] if line not in said] == []


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal 100 columns wide is sent."""
    sent = io.StringIO()
    made = Console(file=sent, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(command, "Console", lambda **_: made)
    return sent


def fake_download(monkeypatch: pytest.MonkeyPatch, unpacked: bool) -> list[Any]:
    """Half of ten bytes come, and where `unpacked` one of two is unpacked."""
    asked: list[Any] = []

    def download(url: str, target: Path, sha256: str | None, progress: Any) -> Any:
        asked.extend([url, target, sha256])
        progress.fetched(5, 10)
        if unpacked:
            progress.unpacked(1, 2)
        return SimpleNamespace(size=10, url=url, sha256="abc")

    monkeypatch.setattr(downloading, "download", download)
    return asked


def test_download_shows_bytes_and_then_what_is_unpacked(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_download(monkeypatch, unpacked=True)
    assert command.main(["download", "dogs"]) == 0
    bars = terminal.getvalue()
    assert "download ━" in bars
    assert "5/10 bytes" in bars
    assert "unpack   ━" in bars
    assert "1/2 bytes" in bars


def test_nothing_is_shown_of_unpacking_before_it_begins(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_download(monkeypatch, unpacked=False)
    command.main(["download", "dogs"])
    assert "unpack" not in terminal.getvalue()


def test_bars_are_gone_when_the_work_is_done(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_download(monkeypatch, unpacked=False)
    command.main(["download", "dogs"])
    last = terminal.getvalue().rpartition("5/10 bytes")[2]
    assert "\x1b[2K" in last  # the line is erased


def test_upload_counts_photos(
    terminal: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upload(*arguments: Any, **_: object) -> Any:
        progress: Callable[[int, int], None] = arguments[3]
        progress(3, 7)
        return SimpleNamespace(uri="s3://b", sent=3, sent_bytes=1, unchanged=4, seconds=0.1,
                               hash="abc", extra=())  # fmt: skip

    monkeypatch.setattr(command.uploading, "upload", upload)
    root = write_files(tmp_path / "dogs", small_set())
    assert command.main(["upload", str(root), "s3://b"]) == 0
    assert "upload ━" in terminal.getvalue()
    assert "3/7" in terminal.getvalue()


def test_log_file_gets_no_bars(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_download(monkeypatch, unpacked=True)
    command.main(["download", "dogs"])
    assert "━" not in capsys.readouterr().err


def test_expected_sha256_is_handed_on_in_small_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fake_download(monkeypatch, unpacked=False)
    command.main(["download", "dogs", "--sha256", "AB" * 32])
    assert asked == [downloading.DOG_IMAGES, Path("dogs"), "ab" * 32]


@pytest.mark.parametrize("digest", ["x" * 64, "a" * 63, "a" * 65])
def test_what_is_no_sha256_is_used_wrongly(digest: str) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["download", "dogs", "--sha256", digest])
    assert ended.value.code == 2


@pytest.mark.parametrize(("arguments", "seed"), [([], 0), (["--seed", "5"], 5)])
def test_split_is_made_with_the_seed_that_is_given(
    arguments: list[str], seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    whole = DataSet.open

    def spy(*parts: Any) -> DataSet:
        opened.append(parts)
        return whole(*parts)

    monkeypatch.setattr(DataSet, "open", spy)
    root = write_files(tmp_path / "dogs", small_set())
    assert command.main(["verify", str(root), *arguments]) == 0
    assert opened == [(root, seed, DEFAULT_FRACTIONS)]


def test_exit_code_is_the_processs(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "training.data", "verify", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "is not a data set" in done.stderr
