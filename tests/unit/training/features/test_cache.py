"""The cache of features: found again when it fits, refused or made anew when it does not."""

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import photo_reader
from tests.unit.training.shapes import draw_data_set
from tests.unit.training.small import features
from training.data.dataset import DataSet
from training.errors import JobError
from training.features import cache as module
from training.features.cache import from_channel, from_photos, wanted_key
from training.features.file import FILE, Features, read, write
from training.network.backbones import Pretrained, load_pretrained
from training.workers import Workers


@pytest.fixture(scope="module")
def pretrained() -> Pretrained:
    return load_pretrained("efficientnet_lite0")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return DataSet.open(draw_data_set(tmp_path_factory.mktemp("data") / "shapes"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def made(pretrained: Pretrained, data: DataSet, cache: Path) -> Features:
    """One view of each photo, computed once for all tests here."""
    return from_photos(pretrained, data, "float32", 1, cache, Workers())


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Which (split, view) the backbone is run over."""
    seen: list[tuple[str, int]] = []
    run_pass = module.run_pass

    def watched(frozen: object, data: object, split: str, view: int, *rest: object) -> object:
        seen.append((split, view))
        return run_pass(frozen, data, split, view, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "run_pass", watched)
    return seen


def same(first: Features, second: Features) -> bool:
    return first.labels == second.labels and all(
        torch.equal(split.views, second.splits[name].views)
        and torch.equal(split.labels, second.splits[name].labels)
        and split.names == second.splits[name].names
        for name, split in first.splits.items()
    )


def test_features_follow_the_data_set(made: Features, data: DataSet) -> None:
    train = made.splits["train"]
    assert train.views.shape == (1, 24, 1280)
    assert train.labels.tolist() == [sample.class_index for sample in data.train]
    assert train.names == tuple(data.names[sample.path] for sample in data.train)
    assert made.splits["test"].views.shape == (1, 12, 1280)


def test_second_run_computes_nothing(
    made: Features, pretrained: Pretrained, data: DataSet, cache: Path, passes: list[object]
) -> None:
    found = from_photos(pretrained, data, "float32", 1, cache, Workers())
    assert same(found, made)
    assert passes == []


def test_features_are_what_a_later_run_will_read(
    pretrained: Pretrained, data: DataSet, tmp_path: Path
) -> None:
    computed = from_photos(pretrained, data, "bf16", 1, tmp_path, Workers())
    found = from_photos(pretrained, data, "bf16", 1, tmp_path, Workers())
    assert same(found, computed)


def test_more_views_cost_only_the_missing_ones(
    made: Features,
    pretrained: Pretrained,
    data: DataSet,
    cache: Path,
    tmp_path: Path,
    passes: list[object],
) -> None:
    path = cache / f"{made.key.digest}.safetensors"
    (tmp_path / path.name).write_bytes(path.read_bytes())
    more = from_photos(pretrained, data, "float32", 2, tmp_path, Workers())
    assert passes == [("train", 1)]
    assert torch.equal(more.splits["train"].views[:1], made.splits["train"].views)
    again = from_photos(pretrained, data, "float32", 1, tmp_path, Workers())
    assert same(again, made)


def test_damaged_cache_is_told_and_made_anew(
    made: Features,
    pretrained: Pretrained,
    data: DataSet,
    tmp_path: Path,
    passes: list[object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / f"{made.key.digest}.safetensors").write_bytes(b"half a file")
    assert same(from_photos(pretrained, data, "float32", 1, tmp_path, Workers()), made)
    assert passes == [("train", 0), ("valid", 0), ("test", 0)]
    assert "computed anew, because the cache is damaged" in capsys.readouterr().out


@pytest.mark.parametrize("archived", ["", FILE, f"./{FILE}"])
def test_channel_with_this_jobs_features_is_used(
    archived: str, made: Features, pretrained: Pretrained, data: DataSet, tmp_path: Path
) -> None:
    write(tmp_path / FILE, made)
    if archived:
        with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / FILE, archived)
        (tmp_path / FILE).unlink()
    assert same(from_channel(tmp_path, pretrained, 1, data), made)
    assert same(from_channel(tmp_path, pretrained, 1, None), made)  # without the photos


@pytest.mark.parametrize(
    "change",
    [
        {"backbone": "efficientnet_lite1"},
        {"weights_sha256": "0" * 64},
        {"transform": {"crop": 200}},
        {"code_sha256": "0" * 64},
        {"data_sha256": "0" * 64},
    ],
)
def test_channel_with_foreign_features_is_refused_by_what_differs(
    change: dict[str, object], made: Features, pretrained: Pretrained, data: DataSet, tmp_path: Path
) -> None:
    write(tmp_path / FILE, replace(made, key=replace(made.key, **change)))  # type: ignore[arg-type]
    name = next(iter(change))
    with pytest.raises(JobError, match=f"not made for this job: its {name} is"):
        from_channel(tmp_path, pretrained, 1, data)


def test_channel_with_too_few_views_says_how_many(
    made: Features, pretrained: Pretrained, data: DataSet, tmp_path: Path
) -> None:
    write(tmp_path / FILE, made)
    with pytest.raises(JobError, match="holds 1 views of each photo, --views is 2"):
        from_channel(tmp_path, pretrained, 2, data)


@pytest.mark.parametrize("name", ["features.safetensors", "model.tar.gz"])
def test_channel_that_holds_something_else_is_refused(
    name: str, pretrained: Pretrained, tmp_path: Path
) -> None:
    with pytest.raises(JobError, match=r"holds neither features\.safetensors nor model\.tar\.gz"):
        from_channel(tmp_path, pretrained, 1, None)
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(JobError, match=name.replace(".", r"\.")):
        from_channel(tmp_path, pretrained, 1, None)


def test_every_input_changes_the_key(pretrained: Pretrained) -> None:
    plain = wanted_key(pretrained, "bf16", "d")
    others = [
        wanted_key(pretrained, "float32", "d"),
        wanted_key(pretrained, "bf16", "e"),
        wanted_key(replace(pretrained, sha256="x"), "bf16", "d"),
    ]
    assert len({key.digest for key in (plain, *others)}) == 4


def test_file_of_bf16_features_keeps_them_to_the_last_bit(tmp_path: Path) -> None:
    made = features()
    train = made.splits["train"]
    rounded = replace(train, views=train.views.bfloat16().float())
    made = replace(
        made, key=replace(made.key, precision="bf16"), splits={**made.splits, "train": rounded}
    )
    write(tmp_path / FILE, made)
    assert same(read(tmp_path / FILE), made)


def test_reading_what_is_no_feature_file_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / FILE)
    with pytest.raises(JobError, match="not features written by --features-only"):
        read(tmp_path / FILE)


def test_single_changed_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / FILE
    write(path, features())
    whole = path.read_bytes()
    for at in range(40, len(whole), len(whole) // 50):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(JobError, match="not features written by --features-only"):
            read(path)


def test_damaged_archive_of_features_ends_the_job_in_words(
    pretrained: Pretrained, tmp_path: Path
) -> None:
    write(tmp_path / FILE, features())
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / FILE, FILE)
    (tmp_path / FILE).unlink()
    whole = (tmp_path / "model.tar.gz").read_bytes()
    for at in range(20, len(whole) * 3 // 4, len(whole) // 40):
        (tmp_path / "model.tar.gz").write_bytes(whole[:at] + b"\xff" * 4 + whole[at + 4 :])
        with pytest.raises(JobError, match=r"channel features|not features written"):
            from_channel(tmp_path, pretrained, 1, None)


def test_every_module_that_makes_features_is_in_the_key(
    pretrained: Pretrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = wanted_key(pretrained, "float32", "d").code_sha256
    seen, root = set(), Path(str(photo_reader.__file__)).parents[1]
    for changed in module._code():
        content = {path: path.read_bytes() for path in module._code()}
        monkeypatch.setattr(
            Path,
            "read_bytes",
            lambda path: content[path] + b"#" * (path == changed),  # noqa: B023
        )
        assert wanted_key(pretrained, "float32", "d").code_sha256 != before, changed
        monkeypatch.undo()
        seen.add(changed.relative_to(root).as_posix())
    assert seen >= {
        "photo_reader/reading.py", "serving/preprocess.py", "serving/weights.py",
        "serving/layers.py", "serving/architectures.py", "serving/network.py",
        "training/features/photos.py",
    }  # fmt: skip
