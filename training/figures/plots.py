"""Pictures of a training for people: curves, the classes it mixes up, and photos with answers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no screen in a container

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from numpy.typing import NDArray

from photo_reader import read
from serving.model import Prediction
from training.figures.confidence import THRESHOLDS, Coverage, bins, calibration_error
from training.figures.metrics import Answers
from training.fit.checkpoint import EpochRecord

Floats64 = NDArray[np.float64]

TRAIN, VALIDATION, WRONG = "#2166ac", "#b2182b", "#b2182b"
RIGHT = "#1b7837"

# Rows of the confusion matrix, and columns beside their own: as many as one can read.
WORST = 20
MISTAKEN_FOR = 15

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


def confidence(
    path: Path,
    splits: Mapping[str, tuple[Floats64, Floats64, NDArray[np.int64]]],
    covered: Sequence[Coverage],
) -> None:
    """How often answers are right against how sure they are, and what a threshold would keep.

    `splits`: probabilities before calibration, after it, and the breeds. `covered` is of test.
    """
    figure, panels = pyplot.subplots(
        1, len(splits) + 1, figsize=(4.2 * (len(splits) + 1), 4), layout="constrained"
    )
    for axes, (split, (before, after, labels)) in zip(panels, splits.items(), strict=False):
        axes.plot((0, 100), (0, 100), color="#777", linestyle=":")
        for told, colour, values in (("before", VALIDATION, before), ("after", TRAIN, after)):
            sure, right = values.max(1).tolist(), (values.argmax(1) == labels).tolist()
            found = bins(sure, right)
            error = calibration_error(sure, right)
            axes.plot(
                [100 * one.confidence for one in found],
                [100 * one.right for one in found],
                color=colour, marker=".", label=f"{told}: error {error:.3f}",
            )  # fmt: skip
        axes.set_title(f"{split}, n = {len(labels)}", loc="left")
        axes.set_xlabel("confidence (%)")
        axes.set_ylabel("right (%)")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    last, known = panels[-1], [one for one in covered if one.right]
    last.plot(
        [100 * one.share for one in known],
        [100 * one.right.value for one in known if one.right],
        color=RIGHT,
    )
    for one in coverage_marks(known):
        if one.right:
            at = (100 * one.share, 100 * one.right.value)
            last.plot(*at, color=RIGHT, marker="o")
            last.annotate(f"{one.threshold:.0%}", at, xytext=(5, 5), textcoords="offset points")
    last.set_title("test: answers of at least a confidence", loc="left")
    last.set_xlabel("share of all photos (%)")
    last.set_ylabel("right among them (%)")
    last.grid(alpha=0.3)
    _save(figure, path)


def coverage_marks(covered: Sequence[Coverage]) -> list[Coverage]:
    """Those at the thresholds that are told in words."""
    return [one for one in covered if any(abs(one.threshold - t) < 1e-9 for t in THRESHOLDS)]


def confusion(path: Path, answers: Answers, labels: Sequence[str]) -> None:
    """The classes that are most often missed, and what is answered instead of them.

    Rows are true classes, worst first. Columns are the same classes, then the answers that these
    were most often mistaken for, then all others together and "no dog", where there are any.
    """
    pairs = [(t, r[0] if r else -1) for t, r in zip(answers.truth, answers.ranked, strict=True)]
    totals, missed = Counter(answers.truth), Counter(t for t, a in pairs if t != a)
    rows = sorted(totals, key=lambda label: (-missed[label] / totals[label], -missed[label], label))
    rows = [label for label in rows if missed[label]][:WORST] or rows[:WORST]
    mistaken = Counter(a for t, a in pairs if t in rows and a >= 0 and a not in rows)
    columns = [*rows, *(label for label, _ in mistaken.most_common(MISTAKEN_FOR))]
    counts = Counter(
        (t, a if a in columns or a < 0 else "another class") for t, a in pairs if t in rows
    )
    names: dict[int | str, str] = {label: labels[label] for label in columns}
    names |= {"another class": "another class", -1: "no dog"}
    shown = [key for key in names if key in columns or any(at == key for _, at in counts)]
    table = np.array([[counts[row, key] for key in shown] for row in rows])
    figure, axes = pyplot.subplots(
        figsize=(3 + 0.3 * len(shown), 3 + 0.3 * len(rows)), layout="constrained"
    )
    axes.imshow(table, cmap="Blues", vmin=0, aspect="auto")
    axes.set_xticks(range(len(shown)), [names[key] for key in shown], rotation=90)
    axes.set_yticks(range(len(rows)), [f"{labels[row]} (n={totals[row]})" for row in rows])
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    top = answers.top(1)
    title = f"The {len(rows)} classes most often missed; all: {top.value:.1%} of {top.n} right"
    axes.set_title(title, loc="left")
    for (row, column), count in np.ndenumerate(table):
        if count:
            colour = "white" if count > table.max() / 2 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, size=8)
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
    image = read(sample.path.read_bytes(), _SIDE).picture
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
