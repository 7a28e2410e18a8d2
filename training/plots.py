"""Pictures of a training for people: curves, the classes it mixes up, and photos with answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no screen in a container

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

from serving.images import decode
from serving.model import Prediction
from serving.preprocess import upright_rgb
from serving.settings import Settings
from training.checkpoint import EpochRecord
from training.metrics import Answers

TRAIN, VALIDATION, WRONG = "#2166ac", "#b2182b", "#b2182b"
RIGHT = "#1b7837"

# Classes in the confusion matrix: as many as stay readable on a screen.
WORST = 20

# Photos in the sample plot: half of them right, half of them wrong, as far as there are.
_ROWS, _COLUMNS = 3, 4
_SIDE = 320


def curves(path: Path, history: Sequence[EpochRecord], best: EpochRecord | None) -> None:
    """Loss and accuracy over the epochs, training beside validation, the kept epoch marked."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    epochs = [record.epoch for record in history]
    train_loss, loss = [r.train_loss for r in history], [r.validation_loss for r in history]
    train = [100 * r.train_accuracy for r in history]
    validation = [100 * r.validation_accuracy for r in history]
    for axes, first, second, title in (
        (left, train_loss, loss, "loss (cross-entropy, nats)"),
        (right, train, validation, "top-1 accuracy (%)"),
    ):
        axes.plot(epochs, first, color=TRAIN, marker=".", label="train")
        axes.plot(epochs, second, color=VALIDATION, marker=".", label="validation")
        axes.set_title(title, loc="left")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if best:
            axes.axvline(best.epoch, color="#777", linestyle=":", label=f"kept: {best.epoch}")
        axes.legend(frameon=False)
    _save(figure, path)


def confusion(path: Path, answers: Answers, labels: Sequence[str]) -> None:
    """The classes that are most often missed, and what is said instead of them.

    Rows are true classes, worst first, columns the same classes, the answers outside of them
    together, and "no dog" where the model has that answer.
    """
    first = [ranked[0] if ranked else -1 for ranked in answers.ranked]
    pairs = list(zip(answers.truth, first, strict=True))
    misses = np.bincount([t for t, a in pairs if t != a], minlength=len(labels))
    totals = np.bincount(answers.truth, minlength=len(labels))
    rate = misses / np.maximum(totals, 1)
    worst = [int(i) for i in np.lexsort((np.arange(len(labels)), -misses, -rate))[:WORST]]
    worst = [i for i in worst if misses[i]]
    if not worst:
        worst = list(range(min(WORST, len(labels))))
    column = {label: at for at, label in enumerate(worst)}
    other, no_dog = len(worst), len(worst) + 1
    counts = np.zeros((len(worst), len(worst) + 2), int)
    for truth, answer in pairs:
        if truth in column:
            at = no_dog if answer < 0 else column.get(answer, other)
            counts[column[truth], at] += 1
    names = [labels[i] for i in worst]
    size = 3 + 0.34 * len(worst)
    figure, axes = pyplot.subplots(figsize=(size + 0.8, size), layout="constrained")
    axes.imshow(counts, cmap="Blues", vmin=0, vmax=max(1, counts.max()))
    axes.set_xticks(range(len(names) + 2), [*names, "another class", "no dog"], rotation=90)
    axes.set_yticks(
        range(len(names)), [f"{name} (n={totals[i]})" for name, i in zip(names, worst, strict=True)]
    )
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    top = answers.top(1)
    axes.set_title(
        f"The {len(worst)} classes most often missed; all: {top.value:.1%} of {top.n}", loc="left"
    )
    for (row, at), count in np.ndenumerate(counts):
        if count:
            dark = count > counts.max() / 2
            axes.text(
                at, row, str(count), ha="center", va="center", color="w" if dark else "k", size=8
            )
    _save(figure, path)


@dataclass(frozen=True)
class Sample:
    """A photo, its true label, and what was answered."""

    path: Path
    truth: str
    prediction: Prediction

    @property
    def right(self) -> bool:
        """Whether the answer is the truth."""
        return self.prediction.label == self.truth


def choose(samples: Sequence[Sample]) -> list[Sample]:
    """Some right and some wrong ones, spread evenly over the split: no one picked them."""
    total = _ROWS * _COLUMNS
    wrong = [sample for sample in samples if not sample.right]
    right = [sample for sample in samples if sample.right]
    n_wrong = min(len(wrong), max(total // 2, total - len(right)))
    return [*_spread(right, total - n_wrong), *_spread(wrong, n_wrong)]


def samples(path: Path, chosen: Sequence[Sample]) -> None:
    """Photos with truth and answer."""
    figure, grid = pyplot.subplots(
        _ROWS, _COLUMNS, figsize=(3 * _COLUMNS, 3.6 * _ROWS), layout="constrained", squeeze=False
    )
    for axes in grid.flat:
        axes.axis("off")
    for axes, sample in zip(grid.flat, chosen, strict=False):
        _show(axes, sample)
    _save(figure, path)


def _show(axes: Axes, sample: Sample) -> None:
    image = upright_rgb(decode(sample.path.read_bytes(), Settings.max_pixels, _SIDE))
    image.thumbnail((_SIDE, _SIDE))
    axes.imshow(np.asarray(image))
    answer = sample.prediction
    said = f"{answer.label or 'no dog'}  {answer.confidence:.0%}"
    text = said if sample.right else f"{said}\ntruth: {sample.truth}"
    axes.set_title(text, size=10, color=RIGHT if sample.right else WRONG)


def _spread(items: Sequence[Sample], n: int) -> list[Sample]:
    """n of the items at even distances."""
    return [items[i * len(items) // n] for i in range(min(n, len(items)))] if n else []


def _save(figure: pyplot.Figure, path: Path) -> None:
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
