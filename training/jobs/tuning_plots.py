"""Two pictures of a search: the objective as it went on, and against each hyperparameter."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import accumulate
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no display

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from training.jobs.trials import Trial

_DPI = 130
_POINT, _BEST = "#3b6ea5", "#d1602f"
_MARGIN = 0.12  # of an axis: room for the best trial's figure


def draw(
    trials: Sequence[Trial], best: str, objective: str, logarithmic: Collection[str], folder: Path
) -> list[Path]:
    """Write both PNG files; trials without an objective are left out.

    `logarithmic` names the hyperparameters that were searched on such a scale.
    """
    done = [
        (number, trial) for number, trial in enumerate(trials, 1) if trial.objective is not None
    ]
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _over_time(done, best, objective, folder / "tuning-trials.png"),
        _by_parameter(done, best, objective, logarithmic, folder / "tuning-parameters.png"),
    ]


def _over_time(done: Sequence[tuple[int, Trial]], best: str, objective: str, path: Path) -> Path:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    numbers = [number for number, _ in done]
    values = [trial.objective or 0.0 for _, trial in done]
    axes.step(
        numbers, list(accumulate(values, max)), where="post", color="#999999", label="best so far"
    )
    _points(axes, numbers, values, [trial.name == best for _, trial in done])
    axes.set(xlabel="trial", ylabel=objective, title="The search, trial by trial")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.25)
    axes.margins(_MARGIN)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return _save(figure, path)


def _by_parameter(
    done: Sequence[tuple[int, Trial]],
    best: str,
    objective: str,
    logarithmic: Collection[str],
    path: Path,
) -> Path:
    names = sorted({name for _, trial in done for name in trial.hyperparameters})
    figure, grid = plt.subplots(
        1, len(names), figsize=(1 + 3.6 * len(names), 4), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    values = [trial.objective or 0.0 for _, trial in done]
    is_best = [trial.name == best for _, trial in done]
    for axes, name in zip(grid[0], names, strict=True):
        _place(axes, [trial.hyperparameters[name] for _, trial in done], values, is_best)
        axes.set(xlabel=name, **({"xscale": "log"} if name in logarithmic else {}))
        axes.margins(_MARGIN)
        axes.grid(alpha=0.25)
    grid[0][0].set_ylabel(objective)
    figure.suptitle("The objective against each hyperparameter")
    return _save(figure, path)


def _place(axes: Axes, texts: Sequence[str], values: Sequence[float], best: Sequence[bool]) -> None:
    """Numbers on an axis of their own kind; few different values, or words, side by side."""
    numbers = [_number(text) for text in texts]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers) or len(set(known)) <= 2:
        order = sorted(set(texts), key=lambda text: (_number(text) or 0.0, text))
        _points(axes, [order.index(text) for text in texts], values, best)
        axes.set_xticks(range(len(order)), order)
        axes.set_xlim(-0.5, len(order) - 0.5)
        return
    _points(axes, known, values, best)


def _points(axes: Axes, xs: Sequence[float], ys: Sequence[float], best: Sequence[bool]) -> None:
    axes.scatter(xs, ys, color=_POINT, s=45, zorder=3, label="trial")
    chosen = [(x, y) for x, y, is_best in zip(xs, ys, best, strict=True) if is_best]
    for x, y in chosen:
        axes.scatter([x], [y], color=_BEST, s=110, marker="*", zorder=4, label="best")
        axes.annotate(f"{y:.3f}", (x, y), xytext=(7, 7), textcoords="offset points", color=_BEST)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _save(figure: plt.Figure, path: Path) -> Path:
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
    return path
