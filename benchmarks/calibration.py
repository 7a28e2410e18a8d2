"""How sure models are, and how often right: `python -m benchmarks.calibration`.

- The model that training/train.py makes with its defaults, over three seeds: calibration error,
  Brier score and log loss on valid and test, before and after the temperature that the job fits to
  the validation photos; and what a threshold of confidence would keep.
- The starter model. It was trained on none of the splits, so what it is not fitted to (valid) is
  all test for it: train and test together are 7,371 photos of the 117 breeds that both know, enough
  to tell a calibration error of 0.01 from 0. Of so few photos as test has, a perfectly calibrated
  model would show an error of its own, which is drawn here. `--keep` writes its temperature and
  quantiles to training/package/starter.json, of which the package is made; `--cache DIR` keeps
  the photos' features for another run.
- One threshold of confidence for all breeds, or one for each, fitted to seven photos a breed or to
  56, and judged on others.
- Mixed precision with and without its second look, on the starter's photos of valid and test.

Photos: DOGS_DATA (default ../shared/dogs beside the repository); nothing is measured without. They
descend from ImageNet, which the backbones have seen. Writes calibration.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.models import package
from benchmarks.report import ROOT, machine, write
from benchmarks.thresholds import Photos, compare
from rigs.photos import DOGS, require_dogs
from serving.model import Model, familiarity, load, softmax
from serving.network import multiplies_int8
from serving.settings import cpu_count
from serving.weights import Floats
from training.data.dataset import DataSet
from training.features.cache import from_photos
from training.features.file import Features
from training.features.photos import picture, portions
from training.figures.confidence import calibration_error, coverages, scores
from training.fit.calibration import fit_novelty, fit_temperature
from training.network.backbones import load_pretrained
from training.package.starter import BACKBONE, KEPT
from training.workers import Workers

SEEDS = (0, 1, 2)
DRAWS = 1000


def main() -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration")
    parser.add_argument("--keep", action="store_true", help="write the starter's own figures")
    parser.add_argument("--cache", type=Path, help="keep the photos' features in this folder")
    options = parser.parse_args()
    require_dogs()
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        if options.cache:
            options.cache.mkdir(parents=True, exist_ok=True)
            (base / "cache").symlink_to(options.cache.resolve())
        trained = [train(base, seed) for seed in SEEDS]
        starter, measured = measure_starter(base)
    if options.keep:
        KEPT.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    Console().print(table(trained, starter))
    write(
        "calibration",
        {
            "command": "python -m benchmarks.calibration",
            "machine": machine(),
            "seeds": SEEDS,
            "trained": trained,
            "starter": starter,
        },
    )
    return 0


def train(base: Path, seed: int) -> dict[str, Any]:
    """One run of the job; what its metrics.json says of its confidence."""
    environment = {
        **os.environ,
        "SAGEMAKER_BASE_DIR": str(base),
        "SM_CHANNEL_DATA": str(DOGS),
    }
    command = [sys.executable, "training/train.py", "--seed", str(seed)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    metrics = json.loads((base / "output" / "data" / "metrics.json").read_text(encoding="utf-8"))
    splits = {
        split: {"top1": metrics[split]["top1"], **metrics[split]["confidence"]}
        for split in ("valid", "test")
    }
    return {"seed": seed, "temperature": metrics["temperature"], **splits}


def measure_starter(base: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The starter's figures, and what of them its package holds."""
    model = load(package(BACKBONE, base), cpu_count())
    data = DataSet.open(DOGS)
    cache = base / "cache"
    features = from_photos(load_pretrained(BACKBONE), data, "float32", 1, cache, Workers.join())
    known = starters_labels(model, features)
    found = {split: logits_of(model, features, known, split) for split in features.splits}
    temperature = fit_temperature(*found["valid"])
    novelty = fit_novelty(found["valid"][0])
    if novelty is None:
        raise RuntimeError("too few validation photos")
    sets: dict[str, Photos] = {
        "valid": found["valid"],
        "test": found["test"],
        "train and test": joined(found["train"], found["test"]),
    }
    figures: dict[str, Any] = {"temperature": temperature}
    least = threshold(novelty)
    for name, (logits, labels) in sets.items():
        after = softmax(logits, temperature)
        sure, right = after.max(1), after.argmax(1) == labels
        figures[name] = {
            "n": len(labels),
            "top1": round(float(right.mean()), 4),
            "before": scores(softmax(logits, 1), labels).to_json(),
            "after": scores(after, labels).to_json(),
            "error_of_a_perfect_one": round(perfect(sure), 4),
            "coverage": [
                one.to_json() for one in coverages(sure.tolist(), right.tolist(), len(labels))
            ],
            "kept_as_known": round(float((familiarity(logits, novelty.score) > least).mean()), 4),
        }
    figures["thresholds"] = [
        compare(found["valid"], joined(found["train"], found["test"]), temperature),
        compare(found["train"], joined(found["valid"], found["test"]), temperature),
    ]
    measured = {"temperature": temperature, "novelty": asdict(novelty)}
    manifest = replace(model.manifest, temperature=temperature, novelty=novelty)
    figures["mixed"] = mixed(base / BACKBONE, Model(manifest, model.backbone, model.heads), data)
    return figures, measured


def joined(*parts: Photos) -> Photos:
    """Several splits as one."""
    return np.concatenate([one for one, _ in parts]), np.concatenate([one for _, one in parts])


def threshold(novelty: Any) -> float:
    """The score below which a photo is called unknown."""
    shares = np.linspace(0, 1, len(novelty.quantiles))
    return float(np.interp(1 - novelty.threshold, shares, novelty.quantiles))


def starters_labels(model: Model, features: Features) -> list[int]:
    """For each class of the data set, the starter's index of it; -1 for what it does not know."""
    index = {label.casefold(): at for at, label in enumerate(model.manifest.labels)}
    return [index.get(label.replace("_", " ").casefold(), -1) for label in features.labels]


def logits_of(
    model: Model, features: Features, known: list[int], split: Any
) -> tuple[Floats, NDArray[np.int64]]:
    """The starter's logits and the right index, for the photos of breeds that it knows."""
    found = features.splits[split]
    labels = np.array(known)[found.labels.numpy()]
    return model.heads(found.views[0].numpy()[labels >= 0])[0], labels[labels >= 0]


def perfect(sure: NDArray[np.float64]) -> float:
    """The mean calibration error of a model that is right as often as it is sure, of so many."""
    draw = np.random.default_rng(0)
    told = sure.tolist()
    errors = [
        calibration_error(told, (draw.random(len(sure)) < sure).tolist()) for _ in range(DRAWS)
    ]
    return float(np.mean(errors))


def mixed(folder: Path, exact: Model, data: DataSet) -> dict[str, Any] | None:
    """First labels and "unknown" that int8 changes, with the second look and without."""
    if not multiplies_int8():
        return None
    served = load(folder, cpu_count(), "mixed")
    second = Counting(served.exact)
    looking = Model(exact.manifest, served.backbone, served.heads, second)  # type: ignore[arg-type]
    plain = Model(exact.manifest, served.backbone, served.heads)
    samples = [one for split in ("valid", "test") for one in data.splits[split]]
    changed = {"label": [0, 0], "unknown": [0, 0]}
    for part in portions(len(samples)):
        paths = [one.path for one in samples[part]]
        spec = exact.manifest.preprocess
        pictures = np.stack([picture(path, spec, 0, data.names[path]) for path in paths])
        wanted = exact.predict(pictures)
        for at, answers in enumerate((plain.predict(pictures), looking.predict(pictures))):
            for one, other in zip(wanted, answers, strict=True):
                changed["label"][at] += one.label != other.label
                changed["unknown"][at] += one.unknown != other.unknown
    return {
        "n": len(samples),
        "looked_again": second.photos,
        "labels_changed_by_int8": changed["label"][0],
        "labels_changed": changed["label"][1],
        "unknown_changed_by_int8": changed["unknown"][0],
        "unknown_changed": changed["unknown"][1],
    }


class Counting:
    """A network that counts the pictures it is given."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self.photos = 0

    def __call__(self, batch: NDArray[np.uint8], *, alone: bool = False) -> Any:
        self.photos += len(batch)
        return self._network(batch, alone=alone)


def table(trained: list[dict[str, Any]], starter: dict[str, Any]) -> Table:
    """One row a model and set of photos."""
    view = Table(title="Calibration error before and after, and answers of at least 90 %")
    for name in ("model", "photos", "temperature", "before", "after", "right", "of all"):
        view.add_column(name, justify="right")
    rows: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
        (f"trained, seed {one['seed']}", one, ("valid", "test")) for one in trained
    ]
    rows.append(("starter", starter, ("valid", "test", "train and test")))
    for name, one, sets in rows:
        for photos in sets:
            found = one[photos]
            at_90 = next(each for each in found["coverage"] if each["at_least"] == 0.9)
            view.add_row(
                name, photos, f"{one['temperature']:.3f}",
                f"{found['before']['calibration_error']:.4f}",
                f"{found['after']['calibration_error']:.4f}",
                f"{at_90['right']['value']:.1%}", f"{at_90['share']:.1%}",
            )  # fmt: skip
    return view


if __name__ == "__main__":
    sys.exit(main())
