"""The profiler around a real, small training loop, from the first phase to the page."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from training.profiler import JobFacts, Profiler
from training.profiler.reader import read

PHASES = ("data", "forward", "backward", "optimizer")


def train(profiler: Profiler, epochs: int = 3) -> None:
    """A linear layer on random features; the second epoch's operators are traced."""
    with profiler.phase("initialisation"):
        generator = torch.Generator().manual_seed(0)
        features = torch.randn(256, 16, generator=generator)
        labels = torch.randint(0, 4, (256,), generator=generator)
        model, loss = nn.Linear(16, 4), nn.CrossEntropyLoss()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def epoch(number: int) -> None:
        for step in range(8):
            with profiler.phase("data"):
                x, t = features[step * 32 :][:32], labels[step * 32 :][:32]
            with profiler.phase("forward"):
                value = loss(model(x), t)
            with profiler.phase("backward"):
                optimizer.zero_grad()
                value.backward()
            with profiler.phase("optimizer"):
                optimizer.step()
            profiler.step("train", number, step, len(x))

    for number in range(1, epochs + 1):
        if number == 2:
            with profiler.operators():
                epoch(number)
        else:
            epoch(number)
        with profiler.phase("eval"), torch.inference_mode():
            model(features)


def test_training_loop_is_recorded_and_reported(tmp_path: Path) -> None:
    profiler = Profiler.start(tmp_path, enabled=True)
    train(profiler)
    profiler.close(tmp_path / "data", JobFacts("hünde", {"batch_size": 32}, hints={"views": None}))

    recording = read(tmp_path / "output" / "profiler")
    assert recording.complete
    assert recording.job.name == "hünde"
    assert recording.job.flags == {"batch_size": "32"}
    assert recording.job.hints == {"views": None}
    assert len(recording.steps) == 24
    assert [step.traced for step in recording.steps] == [False] * 8 + [True] * 8 + [False] * 8
    assert all(set(step.phases) == set(PHASES) for step in recording.steps)
    assert "aten::addmm" in {operator.name for operator in recording.operators}
    assert {"initialisation", "eval", "profiler"} == {span.name for span in recording.spans}
    text = (tmp_path / "data" / "profiler-report" / "profiler-report.html").read_text("utf-8")
    assert "hünde" in text
    assert "aten::addmm" in text
    rules = tmp_path / "data" / "profiler-report" / "profiler-reports"
    shares = json.loads((rules / "OverallFrameworkMetrics.json").read_text("utf-8"))["Details"]
    assert set(PHASES) < shares["TimeShares"].keys()


def test_closing_twice_and_going_on_afterwards_do_nothing(tmp_path: Path) -> None:
    profiler = Profiler.start(tmp_path, enabled=True)
    profiler.close(tmp_path, JobFacts("job"))
    page = tmp_path / "profiler-report" / "profiler-report.html"
    page.unlink()
    with profiler.phase("finalisation"):
        profiler.step("train", 1, 0, 1)
    profiler.close(tmp_path, JobFacts("job"))
    assert not page.exists()


def test_report_that_cannot_be_written_is_told_and_costs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    profiler = Profiler.start(tmp_path, enabled=True)
    profiler.close(tmp_path / "taken", JobFacts("job"))
    assert "profiler: no report in" in capsys.readouterr().err


def test_failed_training_is_reported_as_failed(tmp_path: Path) -> None:
    profiler = Profiler.start(tmp_path, enabled=True)
    with pytest.raises(RuntimeError), profiler.operators(), profiler.phase("features"):
        raise RuntimeError("no such weights")
    profiler.close(tmp_path, JobFacts("job", failure="no such weights"))
    text = (tmp_path / "profiler-report" / "profiler-report.html").read_text("utf-8")
    assert "no such weights" in text
    assert ">failed<" in text


def test_importing_the_profiler_does_not_import_torch() -> None:
    code = "import sys, training.profiler; print({'torch', 'numpy'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    assert subprocess.check_output(command, env=environment, text=True) == "set()\n"
