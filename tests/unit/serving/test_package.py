"""The package format: every kind of damage is refused, with the file and the mismatch named."""

import contextlib
import gzip
import io
import json
import math
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save

from serving.architectures import ARCHITECTURES
from serving.model import load
from serving.package import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    WEIGHTS,
    Manifest,
    PackageError,
    read_package,
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
        (lambda m: m.pop("schema"), "schema is missing"),
        (lambda m: m.pop("labels"), "labels is missing"),
        (lambda m: m.pop("backbone"), "backbone is missing"),
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m.update(labels=["Chow", "Pug", "Pug"]), "hold Pug more than once"),
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
        (lambda m: m.update(version=None), "version holds null, expected text"),
        (lambda m: m.update(backbone=["resnet50"]), 'backbone holds ["resnet50"], expected text'),
        (lambda m: m.update(name="half of one: \ud800"), "name holds"),
        (lambda m: m.update(labels="Pug"), 'labels holds "Pug", expected a list'),
        (lambda m: m.update(labels=["Pug", 1]), "labels holds 1, expected text"),
        (lambda m: m.update(labels=["Pug", "\udcff"]), "expected text"),
        (lambda m: m.update(head=[1280.0, 2]), "head holds 1280.0, expected a whole number"),
        (lambda m: m.update(head=[1280, True]), "head holds true, expected a whole number"),
        (lambda m: m.update(head=None), "head holds null, expected a list"),
        (lambda m: m.update(head=[0, 2]), "at least one layer"),
        (lambda m: m.update(weights_sha256=1), "weights_sha256 holds 1, expected text"),
        (lambda m: m.update(origin=[]), "expected a JSON object at origin"),
        (lambda m: m.update(preprocess=[]), "expected a JSON object at preprocess"),
        (lambda m: m.update(dog_score=3), "expected a JSON object at dog_score"),
        (
            lambda m: m["preprocess"].update(mean=None),
            "preprocess.mean holds null, expected a list",
        ),
        (lambda m: m["preprocess"].update(mean=["a"] * 3), 'preprocess.mean holds "a", expected a'),
        (lambda m: m["preprocess"].update(std=[math.nan] * 3), "std holds NaN, expected a finite"),
        (
            lambda m: m["preprocess"].update(std=[math.inf] * 3),
            "std holds Infinity, expected a fin",
        ),
        (lambda m: m["preprocess"].update(std=[1e-30] * 3), "must lie between 0.001 and 1"),
        (lambda m: m["preprocess"].update(std=[10**400] * 3), "preprocess.std"),
        (lambda m: m["preprocess"].update(resize=10**9), "resize 1000000000 at least"),
        (lambda m: m["preprocess"].update(crop=30_000, resize=30_000), "at most 1024"),
        (lambda m: m["preprocess"].update(crop=8), "crop 8 must be at least 32"),
        (lambda m: m["preprocess"].update(crop=224.5), "crop holds 224.5, expected a whole number"),
        (lambda m: m["preprocess"].update(gamma=1), "preprocess.gamma is not known here"),
        (
            lambda m: m["dog_score"].update(threshold=True),
            "threshold holds true, expected a number",
        ),
        (lambda m: m["dog_score"].update(classes="4"), 'dog_score.classes holds "4", expected a'),
        (lambda m: m["dog_score"].pop("last"), "dog_score.last is missing"),
        (lambda m: m["dog_score"].update(gamma=1), "dog_score.gamma is not known here"),
    ],
)
def test_wrong_manifest_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    change_manifest(folder, change)
    with pytest.raises(PackageError) as refusal:
        read_package(folder)
    assert str(refusal.value).startswith(f"{folder / MANIFEST}: ")
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "\x00", "[" * 100_000, '{"a":' * 100_000, "1" * 10_000]
)
def test_manifest_that_is_no_json_object_is_refused(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text)
    with pytest.raises(PackageError, match=MANIFEST):
        read_package(folder)


@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(PackageError, match=f"{name}: cannot be read: No such file"):
        read_package(folder)


def test_one_changed_byte_of_the_weights_is_refused(folder: Path) -> None:
    path = folder / WEIGHTS
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    told = json.loads((folder / MANIFEST).read_text())["weights_sha256"]
    words = f"model.safetensors: sha256 is [0-9a-f]{{64}}, manifest.json says {told}"
    with pytest.raises(PackageError, match=words):
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
            "tensor head.0.bias is F16, only float32",
        ),
        (
            lambda t: t.update({"head.0.bias": torch.zeros(2, dtype=torch.bfloat16)}),
            "tensor head.0.bias is BF16, only float32",
        ),
        (
            lambda t: t.update({"head.0.bias": torch.zeros(2).to(torch.float8_e4m3fn)}),
            "tensor head.0.bias is F8_E4M3, only float32",
        ),
        (
            lambda t: t.update({"head.0.bias": torch.tensor([0, math.nan])}),
            "tensor head.0.bias holds values that are not finite",
        ),
        (
            lambda t: (
                t.update({"head.0.bias": torch.tensor([3e38, 0])})
                or t.update({"head.0.weight": torch.full((2, 1280), 3e38)})
            ),
            "the model's answers are not finite numbers",
        ),
        (
            lambda t: t["backbone.bn1.running_var"].fill_(-1),
            "bn1.running_var holds a variance below zero",
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
        ({"backbone": "vgg"}, f"backbone 'vgg' is not one of {', '.join(ARCHITECTURES)}"),
        ({"head": (99, 2)}, "head takes 99 features, efficientnet_lite0 gives 1280"),
    ],
)
def test_manifest_of_an_impossible_model_is_refused(
    folder: Path, values: dict[str, Any], message: str
) -> None:
    manifest = replace(read_package(folder)[0], **values)
    (folder / MANIFEST).write_text(manifest.to_json())
    with pytest.raises(PackageError, match=message):
        load(folder)


def test_manifest_survives_writing_and_reading() -> None:
    manifest = manifest_for(b"weights", labels=("Löwchen", "Pug", "Chow"))
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_version_tells_what_decides_a_prediction_and_nothing_else() -> None:
    manifest = manifest_for(b"weights")
    same: list[dict[str, Any]] = [{"name": "another"}, {"origin": {"seed": 1}}]
    other: list[dict[str, Any]] = [
        {"backbone": "resnet50"}, {"labels": ("Pug", "Beagle")}, {"dog_score": None},
        {"weights_sha256": "0" * 64}, {"head": (1280, 5, 2)},
        {"preprocess": replace(manifest.preprocess, crop=200)},
    ]  # fmt: skip
    assert {replace(manifest, **change).version for change in same} == {manifest.version}
    versions = {replace(manifest, **change).version for change in other}
    assert len(versions - {manifest.version}) == len(other)


def test_version_of_a_manifest_stays_what_it_was() -> None:
    """Packages carry it: another way to compute it would refuse all that have been made."""
    assert manifest_for(b"weights").version == "6b3a75f77f5d"


def test_archive_holds_no_time(tmp_path: Path) -> None:
    write_archive(tmp_path / "one.tar.gz", {"a": b"1"})
    assert (tmp_path / "one.tar.gz").read_bytes()[4:8] == bytes(4)  # RFC 1952: MTIME
    with tarfile.open(tmp_path / "one.tar.gz") as archive:
        assert archive.getmember("a").mtime == 0


def test_archive_has_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    contents = {"b/c.txt": b"1", "a.txt": b"2", "b/a.txt": b"3"}
    write_archive(tmp_path / "one.tar.gz", contents)
    write_archive(tmp_path / "two.tar.gz", dict(reversed(contents.items())))
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.tar.gz", "two.tar.gz"]
    unpack(tmp_path / "one.tar.gz", tmp_path / "out")
    assert (tmp_path / "out/b/a.txt").read_bytes() == b"3"


def test_archive_reaching_outside_its_folder_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../evil.txt"))
    (tmp_path / "out").mkdir()
    with pytest.raises(PackageError, match=r"cannot be unpacked: .*outside"):
        unpack(tmp_path / "evil.tar.gz", tmp_path / "out")
    assert not (tmp_path / "evil.txt").exists()


def test_file_above_its_limit_is_refused_unread(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (folder / WEIGHTS).stat().st_size
    monkeypatch.setattr("serving.package.MAX_WEIGHTS_BYTES", size)
    assert len(read_package(folder)[1]) == size
    monkeypatch.setattr("serving.package.MAX_WEIGHTS_BYTES", size - 1)
    with pytest.raises(PackageError, match=f"{WEIGHTS}: more than {size - 1} bytes"):
        read_package(folder)


def test_weights_that_change_while_they_are_read_are_never_loaded_unhashed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that another process replaces between two looks at it."""
    looks: list[str] = []
    real = Path.open

    def look(self: Path, *args: Any, **kwargs: Any) -> Any:
        looks.append(self.name)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", look)
    load(folder)
    assert looks.count(WEIGHTS) == 1


def test_folder_that_was_packed_instead_of_its_content_is_told(folder: Path) -> None:
    inner = folder / "model"
    inner.mkdir()
    (folder / MANIFEST).rename(inner / MANIFEST)
    with pytest.raises(PackageError, match=f"there is {inner / MANIFEST}: pack what is in"):
        load(folder)


def test_archive_whose_members_begin_with_a_dot_is_unpacked(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "dots.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("./manifest.json")
        entry.size = 2
        archive.addfile(entry, io.BytesIO(b"{}"))
    unpack(tmp_path / "dots.tar.gz", tmp_path / "out")
    assert (tmp_path / "out/manifest.json").read_bytes() == b"{}"


def test_archive_that_holds_more_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.tar.gz"
    write_archive(path, {"a": bytes(600), "b": bytes(600)})
    monkeypatch.setattr("serving.package.MAX_UNPACKED_BYTES", 1200)
    unpack(path, tmp_path / "fits")
    monkeypatch.setattr("serving.package.MAX_UNPACKED_BYTES", 1199)
    with pytest.raises(PackageError, match="holds more than 1199 bytes"):
        unpack(path, tmp_path / "out")


def test_damaged_archive_is_refused_wherever_the_damage_is(tmp_path: Path) -> None:
    """Also in what tarfile itself never looks at: padding, checksum, length."""
    path = tmp_path / "damaged.tar.gz"
    write_archive(path, {"a": b"something", "b": bytes(range(256))})
    whole = path.read_bytes()
    header = 10  # of gzip: its time, its system and its level decide nothing
    accepted = []
    for place in range(header, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with contextlib.suppress(PackageError):
            unpack(path, tmp_path / "out")
            accepted.append(place)
            assert (tmp_path / "out/a").read_bytes() == b"something"
            assert (tmp_path / "out/b").read_bytes() == bytes(range(256))
    assert len(accepted) <= 1  # the last byte before the checksum, whose upper bits mean nothing


def test_damage_far_behind_the_last_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "padded.tar.gz"
    write_archive(path, {"a": b"1"})
    padded = gzip.compress(gzip.decompress(path.read_bytes()) + bytes(3 * 2**20))
    path.write_bytes(padded)
    unpack(path, tmp_path / "out")
    path.write_bytes(padded[:-8] + bytes([padded[-8] ^ 1]) + padded[-7:])
    with pytest.raises(PackageError, match="cannot be unpacked: CRC"):
        unpack(path, tmp_path / "out")


def test_plain_tar_is_not_what_sagemaker_takes(tmp_path: Path) -> None:
    path = tmp_path / "plain.tar.gz"
    write_archive(path, {"a": b"1"})
    path.write_bytes(gzip.decompress(path.read_bytes()))
    with pytest.raises(PackageError, match="cannot be unpacked: Not a gzipped file"):
        unpack(path, tmp_path / "out")


def test_archive_that_is_packed_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.tar.gz"
    write_archive(path, {"a": b"1"})
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(PackageError, match="cannot be unpacked"):
        unpack(path, tmp_path / "out")


def test_archive_with_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "null.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo("a")
        entry.pax_headers = {"path": "a\0b"}
        archive.addfile(entry)
    with pytest.raises(PackageError, match=r"cannot be unpacked: .*null"):
        unpack(path, tmp_path / "out")


def test_cut_off_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.tar.gz"
    write_archive(path, {"a": bytes(range(256)) * 100})
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(PackageError, match="cannot be unpacked"):
        unpack(path, tmp_path / "out")


def test_no_more_of_a_file_is_read_than_it_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert size == MAX_MANIFEST_BYTES + 1
            return b"x" * size

    monkeypatch.setattr(Path, "open", lambda *_: Endless())
    with pytest.raises(PackageError):
        read_package(tmp_path)
