"""The job's figures and pictures: metrics.json, history.json, plots, and the manifest's record."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.model import Prediction, load, softmax
from serving.package import MANIFEST, Manifest
from serving.weights import Floats
from training.data.dataset import DataSet
from training.data.folders import SPLITS, Split
from training.errors import JobError
from training.features.file import Features
from training.features.photos import cpu_share
from training.figures import plots
from training.figures.confidence import THRESHOLDS, Coverage, coverages, scores
from training.figures.evaluation import calibrated, check_features, own_features, to_answers
from training.figures.metrics import Answers
from training.fit.checkpoint import Run
from training.network.heads import PORTION
from training.options import Folders
from training.package.export import CAVEAT

PLOTS = "plots"
DOUBTFUL = "doubtful.json"
MOST_DOUBTFUL = 100


@dataclass(frozen=True)
class Figures:
    """What the package answered to one split, and its probabilities before calibration and after.

    Probabilities are (N, breeds); "no dog" plays no part in them.
    """

    predictions: Sequence[Prediction]
    answers: Answers
    before: NDArray[np.float64]
    after: NDArray[np.float64]

    @property
    def labels(self) -> NDArray[np.int64]:
        """The photos' breeds as indices."""
        return np.array(self.answers.truth)

    def confidence(self) -> dict[str, Any]:
        """Its part of metrics.json."""
        return {
            "before": scores(self.before, self.labels).to_json(),
            "after": scores(self.after, self.labels).to_json(),
            "coverage": [one.to_json() for one in self.coverages(THRESHOLDS)],
            "unknown": sum(one.unknown for one in self.predictions),
        }

    def coverages(self, thresholds: Sequence[float]) -> list[Coverage]:
        """Of the photos that are answered with a breed."""
        pairs = zip(self.predictions, self.answers.truth, self.answers.ranked, strict=True)
        answered = [
            (one.confidence, ranked[0] == truth)
            for one, truth, ranked in pairs
            if one.label is not None and not one.unknown
        ]
        sure, right = [one for one, _ in answered], [one for _, one in answered]
        return coverages(sure, right, len(self.predictions), thresholds)


def evaluate(
    package: Path, features: Features, data: DataSet | None, *, frozen: bool
) -> tuple[Manifest, dict[Split, Figures]]:
    """Load the package as an endpoint does, calibrate it on valid; its answers to valid and test.

    With a frozen backbone its answers to train too: whether it agrees with what it was told. The
    manifest is the calibrated one, which is not written yet. With a frozen backbone the answers
    come from the cached features, which were made by the very network that is served, and some
    photos go the whole way to prove it. Otherwise all photos do.
    """
    # An endpoint in mixed precision may give one photo in a thousand another label.
    model = load(package, cpu_share(), "float32")
    kept: dict[Split, Floats] = {}
    for split in SPLITS if frozen else SPLITS[1:]:
        found = features.splits[split]
        if frozen:
            kept[split] = found.views[0].numpy()
        elif data:
            kept[split] = own_features(model, data, found.names)
        else:
            raise JobError("a trained backbone cannot be evaluated without a channel named data")
    model = calibrated(model, kept["valid"], features.splits["valid"].labels.numpy())
    figures: dict[Split, Figures] = {}
    for split, rows in kept.items():
        portions = [rows[at : at + PORTION] for at in range(0, len(rows), PORTION)]
        found = features.splits[split]
        predictions = [answer for part in portions for answer in model.answers(part)]
        if frozen and data and split != "train":  # whose features may be of another precision
            check_features(model, data, found, predictions)
        logits = np.concatenate([model.heads(part)[0] for part in portions])
        figures[split] = Figures(
            predictions,
            to_answers(predictions, found, model.manifest.labels),
            softmax(logits, 1.0),
            softmax(logits, model.manifest.temperature),
        )
    return model.manifest, figures


def write_report(
    folders: Folders,
    manifest: Manifest,
    run: Run,
    figures: Mapping[Split, Figures],
    features: Features,
    data: DataSet | None,
) -> None:
    """Write everything for people, and the figures into the package's manifest."""
    short = {
        split: {"top1": found.answers.top(1).to_json(), "top5": found.answers.top(5).to_json()}
        for split, found in figures.items()
    }
    told = replace(manifest, origin={**manifest.origin, "metrics": short})
    (folders.model / MANIFEST).write_text(told.to_json(), encoding="utf-8")
    skipped = {name: dict(split.skipped) for name, split in features.splits.items()}
    metrics: dict[str, Any] = {
        "model": {"name": manifest.name, "version": manifest.version},
        "kept_epoch": run.best.epoch if run.best else None,
        "epochs": len(run.history),
        "stopped_by_rule": run.stopped_by,
        "rules_too_late_to_stop": run.too_late,
        "skipped_photos": skipped,
        "caveat": CAVEAT,
        "temperature": manifest.temperature,
    }
    for split, found in figures.items():
        metrics[split] = found.answers.to_json(manifest.labels)
        metrics[split]["confidence"] = found.confidence()
    write_json(folders.output / "metrics.json", metrics)
    if "train" in figures:
        names = features.splits["train"].names
        write_json(folders.output / DOUBTFUL, doubtful(figures["train"], names, manifest.labels))
    write_json(folders.output / "history.json", [asdict(record) for record in run.history])
    draw(folders.output / PLOTS, manifest.labels, run, figures, features, data)


def doubtful(found: Figures, names: Sequence[str], labels: Sequence[str]) -> list[dict[str, Any]]:
    """The training photos whose label the model contradicts most, at most MOST_DOUBTFUL.

    By how much more it believes in its own answer than in the label (confident learning; C.
    Northcutt et al., J. Artificial Intelligence Research 70, 2021).
    """
    told, rows = found.labels, np.arange(len(found.labels))
    said, of_label = found.after.argmax(1), found.after[rows, told]
    gap = found.after[rows, said] - of_label
    worst = [at for at in np.argsort(-gap, kind="stable")[:MOST_DOUBTFUL].tolist() if gap[at] > 0]
    return [
        {
            "name": names[at],
            "label": labels[told[at]],
            "answer": labels[said[at]],
            "confidence": round(float(found.after[at, said[at]]), 4),
            "of_label": round(float(of_label[at]), 4),
        }
        for at in worst
    ]


def draw(
    folder: Path,
    labels: Sequence[str],
    run: Run,
    figures: Mapping[Split, Figures],
    features: Features,
    data: DataSet | None,
) -> None:
    """The plots; samples need the photos and are left out where the job has none."""
    folder.mkdir(parents=True, exist_ok=True)
    plots.curves(folder / "curves.png", run.history, run.best)
    plots.confidence(
        folder / "confidence.png",
        {
            split: (found.before, found.after, found.labels)
            for split, found in figures.items()
            if split != "train"
        },
        figures["test"].coverages(np.linspace(0, 0.99, 100).tolist()),
    )
    plots.confusion(folder / "confusion.png", figures["test"].answers, labels)
    if data is None:
        return
    test, found = features.splits["test"], figures["test"]
    paths = {name: path for path, name in data.names.items()}
    samples = [
        plots.Sample(paths[name], labels[truth], prediction)
        for name, truth, prediction in zip(
            test.names, found.answers.truth, found.predictions, strict=True
        )
    ]
    plots.samples(folder / "samples.png", plots.choose(samples))


def write_json(path: Path, content: Any) -> None:
    """Write JSON that people can read too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
