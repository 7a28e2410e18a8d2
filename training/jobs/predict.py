"""`predict`: one photo to the endpoint; photo, true label, prediction and top 5, and a picture."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no display

from matplotlib import pyplot as plt
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from photo_reader import PhotoError, read
from training.data.dataset import DataSet
from training.data.errors import DataError
from training.jobs.endpoint import EndpointAnswer
from training.jobs.errors import UsageError

PICTURE = "prediction.png"
_SHOWN_PX = 640
_RIGHT, _OTHER = "#3f8f4f", "#c9c4b8"


@dataclass(frozen=True)
class PredictedPhoto:
    """A photo; `label` None where nobody said what it shows."""

    path: Path
    label: str | None


def of_test_split(folder: Path, seed: int | None) -> PredictedPhoto:
    """A random photo of the data set's test split; the same one for the same seed."""
    try:
        data = DataSet.open(folder)
    except DataError as error:
        raise UsageError(str(error)) from error
    if not data.test:
        raise UsageError(f"{folder}: its test split is empty; name a photo with PHOTO=")
    path, index = random.Random(seed).choice(data.test)
    return PredictedPhoto(path, data.labels[index])


def of_user(path: Path) -> PredictedPhoto:
    if not path.is_file():
        raise UsageError(f"PHOTO={path}: no such file")
    return PredictedPhoto(path, None)


def show(photo: PredictedPhoto, answer: EndpointAnswer, console: Console) -> None:
    """The terminal's table."""
    said = answer.words
    verdict = {None: "", True: " [green](right)[/green]", False: " [red](wrong)[/red]"}
    right = None if photo.label is None else photo.label == answer.breed
    table = Table(show_header=False, title=escape(str(photo.path)), title_justify="left")
    table.add_column(style="bold")
    table.add_column()
    table.add_row("true label", escape(photo.label or "unknown"))
    table.add_row("prediction", f"{escape(said)}, {answer.confidence:.1%}{verdict[right]}")
    if answer.novelty is not None:
        words = f"{answer.novelty:.1%} of the photos of known breeds look more like one"
        table.add_row("novelty", words)
    for rank, (label, probability) in enumerate(answer.top, start=1):
        bar = "█" * max(1, round(probability * 30))
        table.add_row(f"top {rank}", f"{probability:6.1%} {escape(label)} [dim]{bar}[/dim]")
    console.print(table)


def draw(photo: PredictedPhoto, answer: EndpointAnswer, path: Path) -> None:
    """The photo beside bars of its top 5 (PNG); the true label's bar is green."""
    try:
        shown = read(photo.path.read_bytes(), _SHOWN_PX).picture
    except (PhotoError, OSError) as error:
        raise UsageError(f"{photo.path}: cannot be drawn: {error}") from error
    shown.thumbnail((_SHOWN_PX, _SHOWN_PX))
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9, 3.8), width_ratios=(1, 1.25), layout="constrained"
    )
    left.imshow(shown)
    left.set_axis_off()
    left.set_title(photo.label or photo.path.name, fontsize=11)
    labels = [label for label, _ in reversed(answer.top)]
    values = [probability for _, probability in reversed(answer.top)]
    colours = [_RIGHT if label == photo.label else _OTHER for label in labels]
    bars = right.barh(range(len(labels)), values, color=colours)
    right.bar_label(bars, [f"{value:.1%}" for value in values], padding=4)
    right.set_yticks(range(len(labels)), labels)
    right.set(xlim=(0, 1.15), xticks=[])
    right.set_title(f"prediction: {answer.words}", fontsize=11)
    right.tick_params(left=False)
    right.spines[:].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
