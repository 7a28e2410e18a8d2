"""What decides that features are computed anew, and with what they are computed."""

import math
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

import photo_reader
from serving.preprocess import PreprocessSpec
from tests.unit.training.small import features, key
from training.data.dataset import DataSet
from training.errors import JobError
from training.features import cache as module
from training.features import file
from training.features.cache import from_channel, from_photos, wanted_key
from training.features.file import DESCRIPTION, FILE, Features, SplitFeatures, describe, read, write
from training.network.backbones import Pretrained, load_pretrained
from training.workers import Workers

ROOT = Path(str(photo_reader.__file__)).parents[1]
CODE = [
    "serving/preprocess.py",
    "serving/weights.py",
    "serving/layers.py",
    "serving/architectures.py",
    "serving/network.py",
    "training/features/photos.py",
    *(f"photo_reader/{path.name}" for path in (ROOT / "photo_reader").glob("*.py")),
]


@pytest.fixture(scope="module")
def pretrained() -> Pretrained:
    return load_pretrained("efficientnet_lite0")


@pytest.mark.parametrize("name", CODE)
def test_another_line_in_any_module_that_makes_features_is_another_key(
    name: str, pretrained: Pretrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, read_bytes = wanted_key(pretrained, "bf16", "d"), Path.read_bytes

    def changed(path: Path) -> bytes:
        return read_bytes(path) + (b"#" if path == ROOT / name else b"")

    monkeypatch.setattr(Path, "read_bytes", changed)
    after = wanted_key(pretrained, "bf16", "d")

    assert after.code_sha256 != before.code_sha256
    assert after.digest != before.digest


def test_key_names_all_that_decides_a_feature(pretrained: Pretrained) -> None:
    found = wanted_key(pretrained, "bf16", "d")

    assert found.backbone == "efficientnet_lite0"
    assert (found.weights_sha256, found.precision, found.data_sha256) == (
        pretrained.sha256,
        "bf16",
        "d",
    )
    assert found.transform["crop"] == pretrained.entry.preprocess.crop
    assert found.transform["mean"] == list(pretrained.entry.preprocess.mean)
    assert len(found.digest) == 16


class Passes:
    """Stands in for the backbone: a feature tells the precision, the view and the position."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.built: list[str] = []
        self.seen: list[tuple[str, str, int]] = []
        monkeypatch.setattr(module, "backbone", self.backbone)
        monkeypatch.setattr(module, "run_pass", self.run_pass)

    def backbone(
        self, name: str, weights: Any, spec: PreprocessSpec, threads: int, precision: str
    ) -> str:
        assert (name, threads) == ("efficientnet_lite0", module.photos.cpu_share())
        self.built.append(precision)
        return precision

    def run_pass(
        self, frozen: Any, data: DataSet, split: str, view: int, workers: Workers, kept: Any
    ) -> SplitFeatures:
        assert not kept
        self.seen.append((frozen.network, split, view))
        rows = torch.full((1, 2, 3), view + (100 if frozen.network == "float32" else 0.0))
        return SplitFeatures(rows, torch.tensor([0, 1]), ("a", "b"), {})


@pytest.fixture
def data() -> Any:
    splits: dict[str, tuple[()]] = {"train": (), "valid": (), "test": ()}
    return SimpleNamespace(hash="d", labels=("Beagle", "Pug"), splits=splits)


def test_train_is_computed_in_the_jobs_precision_and_the_rest_in_float32(
    pretrained: Pretrained,
    data: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    passes = Passes(monkeypatch)

    made = from_photos(pretrained, data, "bf16", 2, tmp_path, Workers())

    assert passes.built == ["bf16", "float32"]
    assert passes.seen == [
        ("bf16", "train", 0),
        ("bf16", "train", 1),
        ("float32", "valid", 0),
        ("float32", "test", 0),
    ]
    assert made.splits["train"].views[:, 0, 0].tolist() == [0, 1]
    assert made.splits["valid"].views[:, 0, 0].tolist() == [100]
    assert [*made.splits] == ["train", "valid", "test"]
    assert made.labels == ("Beagle", "Pug")
    out = capsys.readouterr().out
    assert "features: 0 computed and 0 reused in 0 s" in out
    assert f"features: kept in {tmp_path}" in out


def test_other_processes_neither_write_nor_print(
    pretrained: Pretrained,
    data: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Passes(monkeypatch)

    from_photos(pretrained, data, "float32", 1, tmp_path, Workers(1, 1, first_here=False))
    assert list(tmp_path.iterdir()) == []
    from_photos(pretrained, data, "float32", 1, tmp_path, Workers())
    capsys.readouterr()
    from_photos(pretrained, data, "float32", 1, tmp_path, Workers(1, 1, first_here=False))

    assert capsys.readouterr().out == ""


def test_views_that_are_there_are_told_to_be_found(
    pretrained: Pretrained,
    data: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    passes = Passes(monkeypatch)
    from_photos(pretrained, data, "float32", 2, tmp_path, Workers())
    passes.seen.clear()

    found = from_photos(pretrained, data, "float32", 2, tmp_path, Workers())

    assert passes.seen == []
    assert found.views == 2
    assert "features: found in" in capsys.readouterr().out


def test_cache_that_holds_others_under_this_name_is_told_and_made_anew(
    pretrained: Pretrained,
    data: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    passes = Passes(monkeypatch)
    write(tmp_path / f"{wanted_key(pretrained, 'float32', 'd').digest}.safetensors", features())

    from_photos(pretrained, data, "float32", 1, tmp_path, Workers())

    assert len(passes.seen) == 3
    assert "computed anew, because" in capsys.readouterr().out


def test_channel_is_used_in_the_precision_that_it_was_made_in(
    pretrained: Pretrained, tmp_path: Path
) -> None:
    made = features()
    wanted = wanted_key(pretrained, "bf16", "d")
    write(tmp_path / FILE, Features(wanted, made.labels, made.splits))

    assert from_channel(tmp_path, pretrained, 1, None).key == wanted


def test_channel_of_no_archive_or_of_one_without_features_is_refused(
    pretrained: Pretrained, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(__file__, "something_else.py")
    with pytest.raises(JobError, match=r"is no model\.tar\.gz of a job that ran"):
        from_channel(tmp_path, pretrained, 1, None)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_features_are_kept_and_read_back_with_all_that_belongs_to_them(
    precision: str, tmp_path: Path
) -> None:
    made = features()
    train = made.splits["train"]
    exact = SplitFeatures(
        train.views.half().float(), train.labels, train.names, {"train/a.jpg": "broken"},
        ("0a", "1b"),
    )  # fmt: skip
    made = Features(key(precision=precision), made.labels, {**made.splits, "train": exact})

    write(tmp_path / "new" / FILE, made)
    found = read(tmp_path / "new" / FILE)

    assert describe(found) == describe(made)
    assert describe(made)["splits"]["train"] == {
        "names": list(train.names),
        "skipped": {"train/a.jpg": "broken"},
        "digests": ["0a", "1b"],
    }
    for name, split in found.splits.items():
        assert split.views.dtype == torch.float32
        assert torch.equal(split.views, made.splits[name].views)
        assert torch.equal(split.labels, made.splits[name].labels)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [FILE]


def test_float32_features_lose_nothing_and_those_measured_on_never_do(tmp_path: Path) -> None:
    made = features()
    third = {
        name: SplitFeatures(split.views / 3, split.labels, split.names, {})
        for name, split in made.splits.items()
    }
    for precision in ("float32", "bf16"):
        write(tmp_path / precision, Features(key(precision=precision), made.labels, third))

    full, halved = read(tmp_path / "float32"), read(tmp_path / "bf16")

    assert torch.equal(full.splits["train"].views, third["train"].views)
    assert torch.equal(halved.splits["train"].views, third["train"].views.half().float())
    for name in ("valid", "test"):
        assert torch.equal(halved.splits[name].views, third[name].views)


def test_features_appear_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_tensors: object, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left")

    path = tmp_path / FILE
    write(path, features())
    before = path.read_bytes()
    monkeypatch.setattr(file, "save_file", full)

    with pytest.raises(OSError, match="no space"):
        write(path, features(views=3))

    assert path.read_bytes() == before
    assert not math.isnan(read(path).splits["train"].views.sum().item())


def test_features_can_be_read_by_whom_other_files_can(tmp_path: Path) -> None:
    # GIVEN what a job that was killed has left, which only its owner may read
    path = tmp_path / FILE
    left = tmp_path / f"{FILE}.partial"
    left.touch(mode=0o600)
    # WHEN features are written, and any other file
    write(path, features())
    other = tmp_path / "other"
    other.touch()
    # THEN the same people may read both
    assert path.stat().st_mode == other.stat().st_mode
    assert not left.exists()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.unlink(), id="gone"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:50]), id="cut off"),
        pytest.param(lambda path: save_with(path, "{"), id="no JSON"),
        pytest.param(lambda path: save_with(path, "{}"), id="nothing in the header"),
        pytest.param(lambda path: save_with(path, '{"splits": {}, "key": {"x": 1}}'), id="no key"),
        pytest.param(lambda path: save_with(path, "[]"), id="a list"),
        pytest.param(lambda path: reshape(path), id="the same bytes in another shape"),
    ],
)
def test_file_of_features_that_is_damaged_is_refused_by_its_name(
    damage: Any, tmp_path: Path
) -> None:
    path = tmp_path / FILE
    write(path, features())
    damage(path)
    with pytest.raises(JobError, match=r"features\.safetensors: not features written by"):
        read(path)


def reshape(path: Path) -> None:
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    tensors["train.views"] = tensors["train.views"].reshape(1, -1, 1)
    path.write_bytes(save(tensors, metadata=metadata))


def save_with(path: Path, header: str) -> None:
    path.write_bytes(save({"a": torch.zeros(1)}, metadata={"features": header}))


def test_files_in_the_channel_have_the_names_that_jobs_read() -> None:
    assert (FILE, DESCRIPTION) == ("features.safetensors", "features.json")


def test_features_go_into_folders_that_are_made_for_them(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / FILE, features())
    assert read(tmp_path / "a" / "b" / FILE).labels == features().labels
