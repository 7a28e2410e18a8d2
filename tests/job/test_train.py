"""train.py from photos to a package, in every way it can train."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image

from serving.model import load
from serving.package import DogScore
from tests.job.training_runs import Place
from training.metric_lines import METRIC_DEFINITIONS

NewPlace = Callable[[str], Place]


def test_job_leaves_a_package_that_serves_what_it_reports(new_place: NewPlace) -> None:
    place = new_place("job")
    done = place.run("--epochs", "4", "--model-name", "shapes", "--views", "2", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert "features: found in" in done.stdout

    model = load(place.base / "model")
    assert model.manifest.name == "shapes"
    assert model.manifest.labels == ("Red box", "Blue disc", "Green bars")
    assert model.manifest.dog_score is None
    origin = model.manifest.origin
    assert (origin["seed"], origin["hyperparameters"]["epochs"]) == (3, 4)
    assert origin["command"].startswith("python training/train.py --backbone efficientnet_lite0")
    assert len(origin["data_sha256"]) == 64

    metrics = place.output("metrics.json")
    assert metrics["test"]["top1"]["n"] == 12
    assert metrics["test"]["top1"]["value"] >= 0.9
    assert metrics["model"]["version"] == model.manifest.version
    assert origin["metrics"]["test"]["top1"] == metrics["test"]["top1"]
    own = origin["metrics"]["train"]["top1"]
    assert own["n"] == 24
    contradicted = place.output("doubtful.json")
    assert len(contradicted) == 24 - round(own["value"] * 24)
    assert all(one["answer"] != one["label"] for one in contradicted)
    assert [row["label"] for row in metrics["test"]["classes"]] == list(model.manifest.labels)
    found = {name: re.findall(regex, done.stdout) for name, regex in METRIC_DEFINITIONS.items()}
    best = max(row["validation_accuracy"] for row in place.history())
    assert float(found["validation:accuracy"][-1]) == pytest.approx(best, abs=1e-4)
    assert float(found["test:accuracy"][-1]) == metrics["test"]["top1"]["value"]
    confidence = metrics["test"]["confidence"]
    assert confidence["before"] == confidence["after"]  # 12 photos calibrate nothing
    assert metrics["temperature"] == model.manifest.temperature == 1
    assert model.manifest.novelty is None
    assert "test: of the photos answered with at least 50%" in done.stdout
    plots = {path.name for path in (place.base / "output/data/plots").iterdir()}
    assert plots == {"confidence.png", "confusion.png", "curves.png", "samples.png"}
    for name in plots:
        with Image.open(place.base / "output/data/plots" / name) as image:
            assert min(image.size) > 300
    assert not (place.base / "checkpoints" / "checkpoint.pt").exists()
    assert (place.base / "model" / "code" / "serving" / "deployment.py").is_file()


def test_features_of_an_earlier_job_are_enough_to_train(
    featured: Path, new_place: NewPlace, tmp_path: Path
) -> None:
    assert {path.name for path in (featured / "model").iterdir()} == {
        "features.safetensors",
        "features.json",
    }
    with_photos, without = new_place("with"), Place(tmp_path / "without", tmp_path)
    channel = without.base / "input" / "data" / "features"
    shutil.copytree(featured / "model", channel)
    assert with_photos.run("--epochs", "3").returncode == 0
    environ = {**without.environ, "SM_CHANNEL_FEATURES": str(channel)}
    del environ["SM_CHANNEL_DATA"]
    done = without.run("--epochs", "3", environ=environ)
    assert done.returncode == 0, done.stderr
    assert without.history() == with_photos.history()
    figures = [place.output("metrics.json")["test"] for place in (with_photos, without)]
    assert figures[0] == figures[1]


@pytest.mark.parametrize("unfreeze", ["last-stage", "all"])
def test_trained_backbone_is_in_the_package(unfreeze: str, new_place: NewPlace) -> None:
    place = new_place(unfreeze)
    options = ("--epochs", "2", "--batch-size", "8", "--views", "2", "--lr", "0.01")
    done = place.run("--unfreeze", unfreeze, *options)
    assert done.returncode == 0, done.stderr
    model = load(place.base / "model")
    assert model.manifest.dog_score is None
    history = place.history()
    # What the package answers is what the network answered when it was trained.
    best = max(epoch["validation_accuracy"] for epoch in history)
    packaged = place.output("metrics.json")["valid"]["top1"]["value"]
    assert packaged == pytest.approx(best, abs=1e-3)
    assert best >= 0.75
    assert history[1]["train_loss"] < history[0]["train_loss"]


def test_resnet50_with_given_weights_and_three_layers_goes_the_whole_way(
    shapes: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    torch.save(timm.create_model("resnet50").state_dict(), tmp_path / "resnet50.pth")
    place = Place(tmp_path / "job", shapes)
    place.base.mkdir()
    done = place.run(
        "--backbone", "resnet50", "--weights", str(tmp_path / "resnet50.pth"),
        "--head", "three-layer", "--epochs", "2", "--dog-score", "true",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    manifest = load(place.base / "model").manifest
    assert manifest.head == (2048, 2048, 516, 3)
    assert manifest.preprocess.crop == 224
    assert isinstance(manifest.dog_score, DogScore)
    assert manifest.origin["weights_from"] == "resnet50.pth"


def test_debugged_and_profiled_job_leaves_rules_and_report(new_place: NewPlace) -> None:
    place = new_place("watched")
    done = place.run("--epochs", "3", "--debug", "true", "--profile", "true")
    assert done.returncode == 0, done.stderr
    output = place.base / "output" / "data"
    assert place.output("rules/Overfit.json")["RuleEvaluationStatus"]
    assert (output / "profiler-report" / "profiler-report.html").is_file()
    assert list((place.base / "output" / "tensors").rglob("*.tfevents"))


def test_broken_photos_end_the_job_with_their_names(shapes: Path, tmp_path: Path) -> None:
    data = shutil.copytree(shapes, tmp_path / "data")
    (data / "train" / "001.Red_box" / "3.jpg").write_bytes(b"no picture")
    place = Place(tmp_path / "job", data)
    place.base.mkdir()
    done = place.run()
    assert done.returncode == 1
    assert "1 of 24 photos of train cannot be read" in done.stderr
    assert "train/001.Red_box/3.jpg: NOT_AN_IMAGE: the bytes are" in done.stderr


@pytest.mark.parametrize("emptied", ["train/001.Red_box", "valid", "."])
def test_data_without_photos_ends_the_job_with_the_folder(
    emptied: str, shapes: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(shapes, tmp_path / "data")
    for photo in (data / emptied).rglob("*.jpg"):
        photo.unlink()
    place = Place(tmp_path / "job", data)
    place.base.mkdir()
    done = place.run()
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()
    assert any(line.startswith("Exception: ") and str(data) in line for line in last)
    assert "Traceback" not in done.stderr


def test_rule_that_fires_at_the_first_steps_ends_a_short_job_after_its_first_epoch(
    new_place: NewPlace,
) -> None:
    place = new_place("stopped")
    slow = ("--epochs", "40", "--batch-size", "2", "--lr", "1e-9", "--patience", "40")
    done = place.run(*slow, "--debug", "true", "--stop-on", "PoorWeightInitialization")
    assert done.returncode == 0, done.stderr
    assert "stopped by the rule PoorWeightInitialization after epoch 1" in done.stdout
    metrics = place.output("metrics.json")
    assert metrics["stopped_by_rule"] == "PoorWeightInitialization"
    assert (metrics["epochs"], metrics["rules_too_late_to_stop"]) == (1, [])
