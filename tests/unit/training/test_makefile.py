"""What the Makefile hands on: each variable as one word, whatever is in it."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest

from rigs.photos import ROOT


def words(*arguments: str, sent_by: str) -> list[str]:
    """The words of the command that make would run, without running it."""
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *arguments],
        cwd=ROOT,
        env={**os.environ, "HOME": "/home/me"},
        capture_output=True,
        text=True,
        check=True,
    )
    text = done.stdout.replace("\\\n", " ")
    (line,) = (line for line in text.splitlines() if f"python -m {sent_by}" in line)
    found = shlex.split(line)
    return found[found.index(sent_by) + 1 :]


ODD = ["my dogs", "it's", 'a"b', "a;b", "a b  c"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("target", ["data", "verify", "upload"])
def test_folder_of_photos_is_one_word(target: str, odd: str) -> None:
    found = words(target, f"DATA={odd}", "TO=s3://b/my dogs", sent_by="training.data")
    assert found[1:] == ([odd, "s3://b/my dogs"] if target == "upload" else [odd])


@pytest.mark.parametrize("odd", ODD)
def test_variables_of_jobs_are_one_word_each(odd: str) -> None:
    found = words("tune", f"DATA={odd}", f"OUT={odd}", f"STACK={odd}", sent_by="training.jobs")
    assert found == ["--out", odd, "--stack", odd, "tune", "--data", odd]
    for target, variable, option in (
        ("deploy", "MODEL", "--model"),
        ("deploy", "PARAMETERS", "--parameters"),
        ("deploy", "WHY", "--why"),
        ("approve", "WHY", "--why"),
        ("approve", "VERSION", "--version"),
        ("history", "AT", "--at"),
        ("why", "KEY", "--key"),
        ("predict", "PHOTO", "--photo"),
        ("evaluate", "DATA", "--data"),
    ):
        found = words(target, f"{variable}={odd}", sent_by="training.jobs")
        assert found[found.index(option) + 1] == odd


@pytest.mark.parametrize(
    ("given", "expected"),
    [("~/my dogs", "/home/me/my dogs"), ("~", "/home/me"), ("a/~/b", "a/~/b"), ("x~", "x~"),
     ("b ~/c", "b ~/c")],
)  # fmt: skip
def test_home_is_a_folders_beginning_only(given: str, expected: str) -> None:
    loop = words("loop", f"DATA={given}", f"CONFIG={given}", f"OUT={given}", sent_by="tours.loop")
    assert loop == ["--data", expected, "--out", expected, "--config", expected]
    assert words("demo", f"PHOTOS={given}", sent_by="tours.demo")[-2:] == ["--photos", expected]


def test_settings_are_a_word_each() -> None:
    found = words("loop", "DATA=d", "SET=jobs.name=cats tuning.max_jobs=4", sent_by="tours.loop")
    assert found == ["--data", "d", "--set", "jobs.name=cats", "--set", "tuning.max_jobs=4"]
