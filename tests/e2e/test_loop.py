"""`make loop` as a user runs it, on a data set of drawings: what is no dog is trained on too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rigs.photos import ROOT
from tests.e2e import commands
from tests.e2e.drawings import draw

LOOP_S = 900
PHOTOS = {"train": 16, "valid": 6, "test": 6}
SHAPES = ("001.Circle", "002.Square", "003.Star")
SMALL = "hyperparameters.backbone=efficientnet_lite0 hyperparameters.epochs=4 tuning.max_jobs=2"
WORK = ROOT / ".local" / "loop"


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawings")
    for split, count in PHOTOS.items():
        for shape in SHAPES:
            folder = root / split / shape
            folder.mkdir(parents=True)
            for number in range(count):
                picture = draw(shape.partition(".")[2].lower(), f"{split} {number}")
                picture.save(folder / f"{number}.jpg", quality=92)
    return root


def _loop(*words: str, expect: int) -> str:
    done = commands.run(["make", "loop", *words], expect, timeout_s=LOOP_S)
    return done.stdout + done.stderr


def test_loop_over_drawings_ends_with_an_evaluated_endpoint(drawings: Path, tmp_path: Path) -> None:
    output = _loop(f"DATA={drawings}", f"OUT={tmp_path / 'loop.json'}", f"SET={SMALL}", expect=0)

    figures = json.loads((tmp_path / "loop.json").read_text())
    assert figures["n"] == PHOTOS["test"] * len(SHAPES)
    assert figures["test_top1"] > 1 / len(SHAPES)  # it has learned something
    assert figures["statuses"].get("REJECTED", 0) == 0
    assert set(figures["best_hyperparameters"]) == {"lr", "batch-size"}
    assert "Overfit" in figures["rules"]
    assert {"verify", "upload", "tune", "train", "deploy", "evaluate"} <= figures["seconds"].keys()
    assert figures["model_version"] in output
    for name in (
        "verify.json",
        "tuning.json",
        "tuning-trials.png",
        "tuning-parameters.png",
        "train.json",
        "metrics.json",
        "model.tar.gz",
        "prediction.png",
        "evaluation.json",
        "profiler-report/profiler-report.html",
        "loop.log",
    ):
        assert (WORK / name).stat().st_size > 0, name
    assert list((WORK / "plots").glob("*.png"))


def test_failing_step_ends_the_loop_with_its_own_words(drawings: Path, tmp_path: Path) -> None:
    output = _loop(
        f"DATA={drawings}",
        f"OUT={tmp_path / 'loop.json'}",
        "SET=tuning.strategy=Clever",
        expect=2,  # make's own; the loop's is 1
    )

    assert "[tuning] strategy = 'Clever': Input should be 'Bayesian'" in output
    assert "Error 1" in output
    assert not (tmp_path / "loop.json").exists()
