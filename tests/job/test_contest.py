"""Packages that real jobs made, against each other, through the command that users run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.job.training_runs import ROOT, Place

HEAD = ("--epochs", "8", "--views", "2")


@pytest.fixture
def good(new_place: Callable[[str], Place]) -> Path:
    place = new_place("good")
    done = place.run(*HEAD)
    assert done.returncode == 0, done.stderr
    return place.base / "model"


def mixed_up(shapes: Path, root: Path) -> Path:
    """The data set with every training label another; photos that are known keep their features."""
    shutil.copytree(shapes, root)
    for split in ("train", "valid"):
        folders = sorted((root / split).iterdir())
        contents = [sorted(folder.iterdir()) for folder in folders]
        moved = [(path, path.read_bytes()) for paths in contents for path in paths]
        for at, (_, content) in enumerate(moved):
            moved[(at + len(contents[0])) % len(moved)][0].write_bytes(content)
    return root


def contest(*arguments: Path) -> tuple[subprocess.CompletedProcess[str], dict[str, Any], str]:
    """Champion, challenger, data and OUT; the process, contest.json and contest.html."""
    *words, out = map(str, arguments)
    done = subprocess.run(
        [sys.executable, "-m", "training.contest", *words, "--out", out],
        cwd=ROOT, text=True, capture_output=True, timeout=300,
    )  # fmt: skip
    folder = Path(out)
    result = json.loads((folder / "contest.json").read_text(encoding="utf-8"))
    return done, result, (folder / "contest.html").read_text(encoding="utf-8")


def test_package_holds_against_itself(good: Path, shapes: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(shapes, data)
    shutil.copytree(data / "test", data / "audit")

    done, result, page = contest(good, good, data, tmp_path / "out")

    assert done.returncode == 0, done.stderr
    assert result["verdict"] == "not_worse"
    assert result["champion"]["model_version"] == result["challenger"]["model_version"]
    assert (result["test"]["n"], result["audit"]["n"]) == (12, 12)
    assert "Not worse." in page


def test_challenger_of_wrong_labels_is_refused_and_costs_no_feature(
    good: Path, shapes: Path, featured: Path, tmp_path: Path
) -> None:
    place = Place(tmp_path / "bad", mixed_up(shapes, tmp_path / "data"))
    shutil.copytree(featured / "cache", place.base / "cache")
    trained = place.run(*HEAD)
    assert trained.returncode == 0, trained.stderr
    contradicted = place.output("doubtful.json")
    assert all(one["confidence"] > one["of_label"] for one in contradicted)
    # Two views of 24 photos, 12 of valid, 12 of test.
    assert "features: 0 computed and 72 reused" in trained.stdout

    done, result, page = contest(good, place.base / "model", shapes, tmp_path / "out")

    assert done.returncode == 1, done.stderr
    assert result["verdict"] == "refused"
    assert "refused: " in done.stdout
    assert result["flips"] == page.count("<figure") > 0
    assert page.count("data:image/jpeg;base64,") == result["flips"]
