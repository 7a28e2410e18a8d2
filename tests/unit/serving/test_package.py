"""The package format: every kind of damage is refused, with the file and the mismatch named."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save

from serving.model import load
from serving.package import (
    MANIFEST,
    WEIGHTS,
    Manifest,
    PackageError,
    read_manifest,
    unpack,
    write_archive,
)
from tests.unit.serving.pictures import manifest_for, write_package


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An unpacked package that is in order."""
    write_package(tmp_path)
    return tmp_path


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Edit manifest.json as someone might by hand."""
    path = folder / MANIFEST
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def replace_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Other tensors, with a manifest whose hash fits them: only the architecture can object."""
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    weights = save(tensors)
    (folder / WEIGHTS).write_bytes(weights)
    (folder / MANIFEST).write_text(manifest_for(weights).to_json())


def test_package_in_order_is_loaded_and_predicts(folder: Path) -> None:
    model = load(folder)
    (prediction,) = model.predict(np.zeros((1, 224, 224, 3), np.uint8))
    assert {label for label, _ in prediction.top} == {"Beagle", "Pug"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(schema=2), "schema 2 is not 1"),
        (lambda m: m.pop("schema"), "schema None is not 1"),
        (lambda m: m.pop("labels"), "labels is missing"),
        (lambda m: m.pop("backbone"), "missing 1 required"),
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m.update(labels=["Pug", "Pug"]), "hold Pug more than once"),
        (lambda m: m.update(labels=["Pug", " "]), "without blanks"),
        (lambda m: m.update(labels=["Pug"]), "1 labels for a head of 2 outputs"),
        (lambda m: m.update(labels=["Pug", "Beagle"]), "version is"),
        (lambda m: m.update(head=[]), "at least one layer"),
        (lambda m: m["preprocess"].update(crop=500), "crop 500"),
        (lambda m: m["preprocess"].pop("std"), "std is missing"),
        (lambda m: m["dog_score"].update(threshold=1.5), "threshold 1.5"),
        (lambda m: m["dog_score"].update(last=9), "do not fit 4"),
        (lambda m: m["dog_score"].update(threshold=0.1), "version is"),
        (lambda m: m.update(version="0"), "version is 0"),
    ],
)
def test_wrong_manifest_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    change_manifest(folder, change)
    with pytest.raises(PackageError) as refusal:
        read_manifest(folder)
    assert str(refusal.value).startswith(f"{folder / MANIFEST}: ")
    assert message in str(refusal.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"])
def test_manifest_that_is_no_json_object_is_refused(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text)
    with pytest.raises(PackageError, match=MANIFEST):
        read_manifest(folder)


@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(PackageError, match=f"{name}: cannot be read: No such file"):
        read_manifest(folder)


def test_one_changed_byte_of_the_weights_is_refused(folder: Path) -> None:
    path = folder / WEIGHTS
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(PackageError, match=f"{WEIGHTS}: sha256 is [0-9a-f]{{64}}, {MANIFEST} says"):
        load(folder)


def test_weights_that_are_no_safetensors_are_refused(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"pickled")
    (folder / MANIFEST).write_text(manifest_for(b"pickled").to_json())
    with pytest.raises(PackageError, match=f"{WEIGHTS}: not a safetensors file"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("head.0.bias"), "tensor head.0.bias is missing"),
        (lambda t: t.update(more=torch.zeros(1)), "tensor more does not belong"),
        (
            lambda t: t.update({"head.0.weight": torch.zeros(3, 1280)}),
            r"tensor head.0.weight is \(3, 1280\) float32, .*\(2, 1280\)",
        ),
        (
            lambda t: t.update({"head.0.bias": torch.zeros(2, dtype=torch.float16)}),
            "head.0.bias is .*float16",
        ),
    ],
)
def test_weights_of_another_architecture_are_refused(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], object], message: str
) -> None:
    replace_weights(folder, change)
    with pytest.raises(PackageError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backbone": "vgg"}, "backbone 'vgg' is not one of"),
        ({"head": (99, 2)}, "head takes 99 features, efficientnet_lite0 gives 1280"),
    ],
)
def test_manifest_of_an_impossible_model_is_refused(
    folder: Path, values: dict[str, Any], message: str
) -> None:
    from dataclasses import replace

    manifest = replace(read_manifest(folder), **values)
    (folder / MANIFEST).write_text(manifest.to_json())
    with pytest.raises(PackageError, match=message):
        load(folder)


def test_manifest_survives_writing_and_reading() -> None:
    manifest = manifest_for(b"weights", labels=("Löwchen", "Pug", "Chow"))
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_archive_has_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    contents = {"b/c.txt": b"1", "a.txt": b"2", "b/a.txt": b"3"}
    write_archive(tmp_path / "one.tar.gz", contents)
    write_archive(tmp_path / "two.tar.gz", dict(reversed(contents.items())))
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    unpack(tmp_path / "one.tar.gz", tmp_path / "out")
    assert (tmp_path / "out/b/a.txt").read_bytes() == b"3"


def test_archive_reaching_outside_its_folder_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../evil.txt"))
    with pytest.raises(PackageError, match="cannot be unpacked"):
        unpack(tmp_path / "evil.tar.gz", tmp_path / "out")


def test_cut_off_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.tar.gz"
    write_archive(path, {"a": bytes(range(256)) * 100})
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(PackageError, match="cannot be unpacked"):
        unpack(path, tmp_path / "out")
