"""loop.json: the figures of a whole loop, gathered from what its steps wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class MissingResultError(Exception):
    """A step ended well and did not leave what it should have."""


def collect(
    folder: Path, data: Path, seconds: Mapping[str, float], total_s: float
) -> dict[str, Any]:
    """The figures, from tuning.json, train.json and evaluation.json in `folder`."""
    tuning = _read(folder / "tuning.json")
    train = _read(folder / "train.json")
    evaluation = _read(folder / "evaluation.json")
    return {
        "test_top1": evaluation["top1"]["value"],
        "test_top1_ci95": evaluation["top1"]["ci95"],
        "test_top5": evaluation["top5"]["value"],
        "n": evaluation["top1"]["n"],
        "offline_top1": evaluation["offline"]["top1"],
        "statuses": evaluation["statuses"],
        "model_version": train["model_version"],
        "best_hyperparameters": tuning["best"]["hyperparameters"],
        "objective": {tuning["objective"]: tuning["best"]["objective"]},
        "trials": len(tuning["trials"]),
        "rules": train["rules"],
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "total_seconds": round(total_s, 1),
        "data": str(data),
        "artefacts": str(folder),
    }


def write(figures: Mapping[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def words(figures: Mapping[str, Any]) -> list[str]:
    """The outcome in three lines."""
    low, high = figures["test_top1_ci95"]
    took = ", ".join(f"{name} {value:.0f}" for name, value in figures["seconds"].items())
    return [
        f"test top-1 {figures['test_top1']:.1%} (95 % interval {low:.1%} to {high:.1%}), top-5 "
        f"{figures['test_top5']:.1%}, n = {figures['n']}, model {figures['model_version']}",
        f"best hyperparameters: {figures['best_hyperparameters']}",
        f"{figures['total_seconds'] / 60:.1f} minutes (seconds: {took})",
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingResultError(f"{path} cannot be read: {error}") from error
    return content
