"""Opening folders as data sets: layouts, labels, hashes, and what is refused."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.unit.training.data.photos import write_files
from tests.unit.training.shapes import draw_data_set
from training.data.dataset import DataSet
from training.data.errors import DataError
from training.data.folders import label_of
from training.data.manifest import SCHEMA, to_bytes, version_of
from training.data.splitting import write_split

SPLIT = {
    "train/002.Golden_retriever/b.jpg": b"1",
    "train/001.Affenpinscher/z.jpg": b"2",
    "train/001.Affenpinscher/deeper/a.JPEG": b"3",
    "valid/001.Affenpinscher/c.png": b"4",
    "valid/002.Golden_retriever/d.jpg": b"5",
    "test/002.Golden_retriever/e.jpg": b"6",
}
WHOLE = {f"{name}/{number}.jpg": f"{name}{number}".encode()
         for name in ("cat", "dog") for number in range(20)}  # fmt: skip


def test_split_folders_give_classes_in_folder_order_and_sorted_samples(tmp_path: Path) -> None:
    data = DataSet.open(write_files(tmp_path, SPLIT))

    assert data.folders == ("001.Affenpinscher", "002.Golden_retriever")
    assert data.labels == ("Affenpinscher", "Golden retriever")
    assert [(data.names[path], index) for path, index in data.train] == [
        ("train/001.Affenpinscher/deeper/a.JPEG", 0),
        ("train/001.Affenpinscher/z.jpg", 0),
        ("train/002.Golden_retriever/b.jpg", 1),
    ]
    assert (len(data.valid), len(data.test), data.was_split) == (2, 1, False)


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("001.Affenpinscher", "Affenpinscher"),
        ("003.Golden_retriever", "Golden retriever"),
        ("12-Shih-Tzu", "Shih-Tzu"),
        ("n02085620-Chihuahua", "n02085620-Chihuahua"),
        ("7", "7"),
        ("cat", "cat"),
        ("Scha\u0308ferhund", "Sch\u00e4ferhund"),
    ],
)
def test_label_is_readable(folder: str, label: str) -> None:
    assert label_of(folder) == label


@pytest.mark.parametrize("names", [("training", "val", "testing"), ("Train", "Validation", "TEST")])
def test_other_names_of_the_splits_are_the_same_data_set(
    tmp_path: Path, names: tuple[str, str, str]
) -> None:
    usual = DataSet.open(write_files(tmp_path / "usual", SPLIT))
    renamed = write_files(tmp_path / "renamed", SPLIT)
    for old, new in zip(("train", "valid", "test"), names, strict=True):
        (renamed / old).rename(renamed / f"{new}.moved")
        (renamed / f"{new}.moved").rename(renamed / new)
    assert DataSet.open(renamed).hash == usual.hash


def test_hash_ignores_place_time_and_clutter(tmp_path: Path) -> None:
    first = write_files(tmp_path / "first", SPLIT)
    second = write_files(tmp_path / "second", dict(reversed(SPLIT.items())))
    clutter = {"train/.DS_Store": b"", "__MACOSX/train/x/._b.jpg": b"", "train/Thumbs.db": b""}
    write_files(second, clutter)
    assert DataSet.open(first).hash == DataSet.open(second).hash
    assert DataSet.open(second).others == ()


@pytest.mark.parametrize(
    "change",
    [
        {"train/001.Affenpinscher/z.jpg": b"other"},
        {"train/001.Affenpinscher/one_more.jpg": b"7"},
        {"test/001.Affenpinscher/z.jpg": b"2"},
    ],
)
def test_hash_changes_with_content_files_and_splits(
    tmp_path: Path, change: dict[str, bytes]
) -> None:
    before = DataSet.open(write_files(tmp_path, SPLIT)).hash
    assert DataSet.open(write_files(tmp_path, change)).hash != before


def test_one_folder_is_split_and_equals_its_written_out_copy(tmp_path: Path) -> None:
    data = DataSet.open(write_files(tmp_path / "whole", WHOLE), seed=3)
    write_split(data.names, tmp_path / "split", lambda: None)
    copy = DataSet.open(tmp_path / "split")

    assert (data.was_split, copy.was_split) == (True, False)
    assert {split: len(samples) for split, samples in data.splits.items()} == {
        "train": 32, "valid": 4, "test": 4,
    }  # fmt: skip
    assert copy.hash == data.hash
    assert DataSet.open(tmp_path / "whole", seed=4).hash != data.hash
    with pytest.raises(DataError, match="exists already"):
        write_split(data.names, tmp_path / "split", lambda: None)


def test_interrupted_copy_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    data = DataSet.open(write_files(tmp_path / "whole", WHOLE))

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_split(data.names, tmp_path / "split", stop)
    assert not (tmp_path / "split").exists()
    write_split(data.names, tmp_path / "split", lambda: None)
    assert DataSet.open(tmp_path / "split").hash == data.hash


def test_copy_holds_the_photos_with_their_times_and_calls_back_after_each(tmp_path: Path) -> None:
    data = DataSet.open(write_files(tmp_path / "whole", WHOLE))
    first = tmp_path / "whole/cat/0.jpg"
    os.utime(first, (1, 1))
    copied: list[int] = []

    def advance() -> None:
        copied.append(sum(path.is_file() for path in tmp_path.glob("split.partial/**/*")))

    write_split(data.names, tmp_path / "split", advance)

    assert copied == list(range(1, len(WHOLE) + 1))
    assert (tmp_path / "split" / data.names[first]).stat().st_mtime == 1
    assert not (tmp_path / "split.partial").exists()


def test_leftovers_of_an_earlier_copy_are_gone(tmp_path: Path) -> None:
    data = DataSet.open(write_files(tmp_path / "whole", WHOLE))
    write_files(tmp_path, {"split.partial/train/cat/of_an_earlier_run.jpg": b"x"})

    write_split(data.names, tmp_path / "split", lambda: None)

    assert DataSet.open(tmp_path / "split").hash == data.hash


def test_files_that_are_no_pictures_are_listed(tmp_path: Path) -> None:
    extra = {"notes.txt": b"", "train/labels.csv": b"", "test/002.Golden_retriever/x.psd": b"",
             "old/y.jpg": b""}  # fmt: skip
    data = DataSet.open(write_files(tmp_path, SPLIT | extra))
    found = [path.relative_to(tmp_path).as_posix() for path in data.others]
    assert found == [
        "notes.txt", "old", "test/002.Golden_retriever/x.psd", "train/labels.csv",
    ]  # fmt: skip


def test_link_back_to_a_folder_above_ends(tmp_path: Path) -> None:
    root = write_files(tmp_path, SPLIT)
    (root / "train/001.Affenpinscher/loop").symlink_to(root, target_is_directory=True)
    data = DataSet.open(root)
    assert len(data.train) == 3
    assert [path.name for path in data.others] == ["loop"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "it holds no folder"),
        ({"a.jpg": b"", "b.jpg": b""}, "its 2 pictures are not in class folders"),
        ({"cat/notes.txt": b"", "dog/x.doc": b""}, r"no picture in its 2 folders \(cat, dog\)"),
        ({f"dogImages/{name}": b"" for name in SPLIT}, "dogImages looks like one"),
        ({"train/a/1.jpg": b"", "test/a/1.jpg": b""}, "no valid folder"),
        ({"valid/a/1.jpg": b"", "test/a/1.jpg": b""}, "no train folder"),
        (SPLIT | {"val/a/1.jpg": b""}, "two names for one split"),
        (SPLIT | {"valid/003.Pug/f.jpg": b""}, r"1 of 3 class folders have no picture in train"),
        ({"cat/1.jpg": b"", "dog/x.txt": b""}, "1 of 2 class folders have no picture: dog"),
        ({"cat/1.jpg": b""}, "the only class folder"),
        ({"1.Great_Dane/1.jpg": b"", "2.Great_Dane/1.jpg": b""}, "one label, 'Great Dane'"),
    ],
)
def test_what_is_no_data_set_is_refused_with_what_was_found(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        DataSet.open(write_files(tmp_path, files))


def test_missing_folder_and_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        DataSet.open(tmp_path / "absent")
    with pytest.raises(DataError, match="is a file"):
        DataSet.open(write_files(tmp_path, {"x.zip": b""}) / "x.zip")


def test_class_called_test_is_a_class(tmp_path: Path) -> None:
    files = {"test/1.jpg": b"1", "control/2.jpg": b"2"}
    assert DataSet.open(write_files(tmp_path, files)).labels == ("control", "test")


def test_file_that_vanishes_is_named(tmp_path: Path) -> None:
    data = DataSet.open(write_files(tmp_path, SPLIT))
    shutil.rmtree(tmp_path / "test")
    with pytest.raises(DataError, match=r"e\.jpg cannot be read"):
        data.hash  # noqa: B018 - a property that reads the files


def test_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    if sys.platform == "darwin":
        pytest.skip("the file system refuses such names itself")
    with pytest.raises(DataError, match="no text"):
        DataSet.open(write_files(tmp_path, SPLIT | {"train/001.Affenpinscher/\udcff.jpg": b"8"}))


@pytest.mark.parametrize(
    ("folders", "labels"),
    [
        ("001.Affenpinscher 002.Golden_retriever", ["Affenpinscher", "Golden retriever"]),
        ("001.Affenpinscher 007.Beagle 133.Yorkie", ["Affenpinscher", "Beagle", "Yorkie"]),
        ("0-cat 1-dog", ["cat", "dog"]),
        ("01_cat 02_dog", ["cat", "dog"]),
        ("1_\u72ac 2_\u732b", ["\u72ac", "\u732b"]),
        ("5_euro 10_euro 20_euro", ["10 euro", "20 euro", "5 euro"]),
        ("10_euro 20_euro 50_euro", ["10 euro", "20 euro", "50 euro"]),
        ("10_euro 20_dollar", ["10 euro", "20 dollar"]),
        ("1_euro 2_euro", ["1 euro", "2 euro"]),
        ("01_cent 02_cent 05_cent", ["01 cent", "02 cent", "05 cent"]),
        ("1.a 2.b 10.c", ["1.a", "10.c", "2.b"]),
        ("001.Beagle 002.Pug cat", ["001.Beagle", "002.Pug", "cat"]),
        ("1_a 1_b", ["1 a", "1 b"]),
        ("2019_Audi 2020_BMW", ["2019 Audi", "2020 BMW"]),
        ("2019-01-05 2019-02-05", ["2019-01-05", "2019-02-05"]),
        ("01-02-2020 02-03-2020", ["01-02-2020", "02-03-2020"]),
        ("1 2 3", ["1", "2", "3"]),
        ("3d_printer 4x4", ["3d printer", "4x4"]),
    ],
)
def test_number_is_left_out_only_where_it_is_a_running_index(
    folders: str, labels: list[str], tmp_path: Path
) -> None:
    files = {f"{folder}/{number}.jpg": b"" for folder in folders.split() for number in range(3)}
    assert sorted(DataSet.open(write_files(tmp_path, files)).labels) == labels


@pytest.mark.parametrize("name", ["Foto 4.55.12\u202fPM", "a\u200db", "\xa0", "\u2028"])
def test_any_character_that_is_no_control_may_be_in_a_name(name: str, tmp_path: Path) -> None:
    files = {f"{folder}/{name} {n}.jpg": b"" for folder in ("cat", "dog") for n in range(3)}
    data = DataSet.open(write_files(tmp_path, files))
    assert all(name in found for found in data.names.values())


@pytest.mark.parametrize("name", ["a\nb", "a\x1bb", "a\x7fb"])
def test_control_characters_are_refused(name: str, tmp_path: Path) -> None:
    files = {f"{folder}/{name}{n}.jpg": b"" for folder in ("cat", "dog") for n in range(3)}
    with pytest.raises(DataError, match="control characters in its name, or bytes that are no"):
        DataSet.open(write_files(tmp_path, files))


def test_version_is_what_its_manifest_says_and_none_of_a_folder_without_one(tmp_path: Path) -> None:
    root = draw_data_set(tmp_path / "data")
    assert DataSet.open(root).version is None
    manifest = {"schema": SCHEMA, "photos": []}
    told = version_of(manifest)
    (root / "dataset.json").write_bytes(to_bytes(manifest | {"version": told}))
    assert DataSet.open(root).version == told
    (root / "dataset.json").write_bytes(to_bytes(manifest | {"version": "0" * 12}))
    with pytest.raises(DataError, match="was changed since it was made"):
        _ = DataSet.open(root).version
