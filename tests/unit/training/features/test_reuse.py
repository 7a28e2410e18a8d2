"""A new version of a data set costs its new photos only."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.unit.training.shapes import draw_data_set
from tests.unit.training.small import key
from training.data.dataset import DataSet
from training.features import compute
from training.features.cache import from_photos
from training.features.file import FILE, Features, write
from training.features.reuse import is_alike
from training.network.backbones import Pretrained, load_pretrained
from training.workers import Workers


@pytest.fixture(scope="module")
def pretrained() -> Pretrained:
    return load_pretrained("efficientnet_lite0")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_data_set(tmp_path_factory.mktemp("before") / "shapes")


@pytest.fixture(scope="module")
def channel(before: Path, pretrained: Pretrained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel `features` of the data set of before, with three views."""
    folder = tmp_path_factory.mktemp("channel")
    made = from_photos(pretrained, DataSet.open(before), "float32", 3, folder / "cache", Workers())
    write(folder / FILE, made)
    return folder


@pytest.fixture
def after(before: Path, tmp_path: Path) -> Path:
    """A new version: one photo more in train, one under another name, one of test changed."""
    root = tmp_path / "after"
    shutil.copytree(before, root)
    box = root / "train" / "001.Red_box"
    disc = root / "train" / "002.Blue_disc"
    (box / "new.jpg").write_bytes((root / "test" / "001.Red_box" / "0.jpg").read_bytes())
    (disc / "0.jpg").rename(disc / "renamed.jpg")
    (root / "test" / "001.Red_box" / "0.jpg").write_bytes((box / "1.jpg").read_bytes())
    return root


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """(view, name) of every photo that is decoded."""
    seen: list[tuple[int, str]] = []
    picture = compute.picture

    def watched(path: Path, spec: object, view: int, name: str) -> object:
        seen.append((view, name))
        return picture(path, spec, view, name)  # type: ignore[arg-type]

    monkeypatch.setattr(compute, "picture", watched)
    return seen


def same(first: Features, second: Features) -> bool:
    return all(
        torch.allclose(split.views, second.splits[name].views, atol=1e-3)
        and torch.equal(split.labels, second.splits[name].labels)
        and split.names == second.splits[name].names
        and split.digests == second.splits[name].digests
        for name, split in first.splits.items()
    )


def test_only_new_photos_are_computed_and_the_features_are_the_same(
    pretrained: Pretrained,
    channel: Path,
    after: Path,
    tmp_path: Path,
    pictures: list[tuple[int, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = DataSet.open(after)
    fresh = from_photos(pretrained, data, "float32", 3, tmp_path / "fresh", Workers())
    pictures.clear()
    capsys.readouterr()

    made = from_photos(pretrained, data, "float32", 3, tmp_path / "cache", Workers(), channel)

    new, renamed = "train/001.Red_box/new.jpg", "train/002.Blue_disc/renamed.jpg"
    wanted = [(view, new) for view in range(3)]
    # A random square hangs on the photo's name.
    wanted += [(2, renamed), (0, "test/001.Red_box/0.jpg")]
    assert sorted(pictures) == sorted(wanted)
    assert same(made, fresh)
    assert "features: 5 computed and 94 reused in" in capsys.readouterr().out


def test_local_cache_is_looked_through_as_well(
    pretrained: Pretrained,
    channel: Path,
    after: Path,
    pictures: list[tuple[int, str]],
) -> None:
    from_photos(pretrained, DataSet.open(after), "float32", 1, channel / "cache", Workers())

    assert len(pictures) == 2


def test_features_made_otherwise_are_told_and_not_reused(
    pretrained: Pretrained,
    channel: Path,
    after: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from_photos(pretrained, DataSet.open(after), "bf16", 1, tmp_path, Workers(), channel)

    out = capsys.readouterr().out
    assert "the channel's were made otherwise, none is reused" in out
    assert "and 0 reused" in out


def test_damaged_channel_is_told_and_not_reused(
    pretrained: Pretrained, after: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / FILE).write_bytes(b"half a file")

    from_photos(pretrained, DataSet.open(after), "float32", 1, tmp_path / "c", Workers(), tmp_path)

    assert "none of the channel is reused" in capsys.readouterr().out


def test_alike_is_all_but_the_photos() -> None:
    assert is_alike(key(), key(data_sha256="other"))
    for changed in ({"code_sha256": "x"}, {"weights_sha256": "x"}, {"precision": "bf16"}):
        assert not is_alike(key(), replace(key(), **changed))  # type: ignore[arg-type]
