"""Two processes under torchrun train the model that one process trains."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from serving.model import load
from tests.job.training_runs import Place

TWO = (str(Path(sys.executable).with_name("torchrun")), "--standalone", "--nproc-per-node", "2")
ARGUMENTS = ("--epochs", "3", "--batch-size", "7", "--views", "2")


def test_two_processes_train_the_model_of_one(new_place: Callable[[str], Place]) -> None:
    alone, together = new_place("alone"), new_place("together")
    for place, launcher in ((alone, ()), (together, TWO)):
        done = place.run(*ARGUMENTS, launcher=launcher)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("epoch=3 ") == 1  # one of them prints
    for one, two in zip(alone.history(), together.history(), strict=True):
        assert two == pytest.approx(one, rel=1e-4)
    assert (
        load(together.base / "model").manifest.labels == load(alone.base / "model").manifest.labels
    )
    first, second = (load_file(p.base / "model" / "model.safetensors") for p in (alone, together))
    assert (first["head.0.weight"] - second["head.0.weight"]).abs().max() < 1e-4


def test_two_processes_share_the_feature_pass_and_a_trained_backbone(
    shapes: Path, tmp_path: Path
) -> None:
    place = Place(tmp_path / "job", shapes)
    place.base.mkdir()
    done = place.run(
        "--unfreeze", "last-stage", "--epochs", "1", "--batch-size", "8", launcher=TWO
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "features of train, view 0: 12 of 12 photos" in done.stdout  # half of 24 each
    assert place.output("metrics.json")["test"]["top1"]["value"] >= 0.9


def test_failure_of_two_processes_ends_both(shapes: Path, tmp_path: Path) -> None:
    place = Place(tmp_path / "job", shapes)
    place.base.mkdir()
    done = place.run("--weights", str(tmp_path / "none.pth"), launcher=TWO)
    assert done.returncode != 0
    assert "none.pth: cannot be read" in done.stderr


def test_batch_smaller_than_the_processes_is_refused_in_words(shapes: Path, tmp_path: Path) -> None:
    place = Place(tmp_path / "job", shapes)
    place.base.mkdir()
    done = place.run("--batch-size", "1", launcher=TWO)
    assert done.returncode != 0
    assert "--batch-size 1 is less than the 2 processes that share a batch" in done.stderr
    assert "exitcode  : 2" in done.stderr
    assert "ZeroDivisionError" not in done.stderr
