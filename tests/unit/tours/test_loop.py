"""The loop's parts: what it says without data, what it gathers, how a step ends."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tests.schemas import check
from tours.loop import report
from tours.loop.__main__ import main
from tours.loop.commands import Commands
from tours.steps import StepError, Steps


def test_without_data_it_says_how_to_get_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "python -m training.data download" in capsys.readouterr().out


def test_missing_folder_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "/no/such/folder"]) == 2
    assert "/no/such/folder: no such folder" in capsys.readouterr().out


def test_steps_come_in_order_and_take_the_settings(tmp_path: Path) -> None:
    commands = list(Commands(tmp_path, tmp_path / "out", ["tuning.max_jobs=2"]).all())

    assert [command.title for command in commands] == [
        "verify", "upload", "tune", "train", "deploy", "predict", "evaluate",
    ]  # fmt: skip
    assert all("--set tuning.max_jobs=2" in " ".join(c.words) for c in commands[2:])


def test_figures_come_from_what_the_steps_wrote(tmp_path: Path) -> None:
    share = {"value": 0.85, "n": 840, "ci95": [0.82, 0.87]}
    for name, content in {
        "tuning": {
            "objective": "validation:accuracy",
            "best": {"hyperparameters": {"lr": "0.01"}, "objective": 0.86},
            "trials": [{}] * 8,
        },
        "train": {"model_version": "abc", "rules": {"Overfit": "NoIssuesFound"}},
        "evaluation": {
            "top1": share,
            "top5": share | {"value": 0.97},
            "offline": {"top1": 0.851},
            "statuses": {"CLASSIFIED": 840},
        },
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))

    figures = report.collect(tmp_path, Path("dogs"), {"tune": 61.04, "train": 9.0}, 90.0)

    check("loop", figures)
    assert (figures["test_top1"], figures["test_top5"], figures["n"]) == (0.85, 0.97, 840)
    assert figures["best_hyperparameters"] == {"lr": "0.01"}
    assert figures["rules"] == {"Overfit": "NoIssuesFound"}
    assert figures["model_version"] == "abc"
    assert figures["seconds"] == {"tune": 61.0, "train": 9.0}
    (tmp_path / "train.json").unlink()
    with pytest.raises(report.MissingResultError, match=r"train\.json"):
        report.collect(tmp_path, Path("dogs"), {}, 90.0)


def _steps(tmp_path: Path) -> tuple[Steps, io.StringIO]:
    out = io.StringIO()
    return Steps(Console(file=out, width=200), tmp_path / "log"), out


def test_echoed_step_shows_every_line_and_its_seconds(tmp_path: Path) -> None:
    steps, out = _steps(tmp_path)

    steps.run(
        "say", [sys.executable, "-c", "print('a [b]'); print('c')"], os.environ, tmp_path, True
    )

    assert "a [b]" in out.getvalue()
    assert steps.seconds["say"] > 0


def test_failing_step_ends_with_its_own_words(tmp_path: Path) -> None:
    steps, _ = _steps(tmp_path)
    script = "import sys; sys.exit('the loss became nan')"

    with pytest.raises(StepError, match="the loss became nan"):
        steps.run("train", [sys.executable, "-c", script], os.environ, tmp_path)


def test_interrupted_step_ends_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, _ = _steps(tmp_path)
    gone = tmp_path / "gone"
    script = (
        "import pathlib, signal, sys\n"
        f"signal.signal(15, lambda *_: (pathlib.Path({str(gone)!r}).touch(), sys.exit(0)))\n"
        "print('ready', flush=True)\n"
        "signal.pause()"
    )

    def interrupt(_: str) -> None:
        raise InterruptedError("as Ctrl-C in the middle of a step")

    monkeypatch.setattr(steps, "_echo", interrupt)
    with pytest.raises(InterruptedError):
        steps.run("wait", [sys.executable, "-c", script], os.environ, tmp_path, echo=True)
    assert gone.exists()
