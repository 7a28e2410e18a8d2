"""Which files count as pictures, which folders as splits, and the words for what is none."""

from pathlib import Path

import pytest

from tests.unit.training.data.photos import write_files
from training.data.dataset import DataSet, set_hash
from training.data.digests import THREADS, file_digest, file_digests
from training.data.errors import DataError
from training.data.folders import PICTURE_SUFFIXES, labels_of, read_layout

USUAL = {f"{split}/{folder}/1.jpg": f"{split}{folder}".encode()
         for split in ("train", "valid", "test") for folder in ("a", "b")}  # fmt: skip


@pytest.mark.parametrize(
    "suffix",
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff",
     "heic", "heif", "hif", "avif", "JPG", "Heic"],
)  # fmt: skip
def test_picture_is_told_by_its_suffix_in_any_case(suffix: str, tmp_path: Path) -> None:
    data = DataSet.open(write_files(tmp_path, USUAL | {f"train/a/more.{suffix}": b"x"}))

    assert len(data.train) == 3
    assert data.others == ()


@pytest.mark.parametrize("name", ["x.svg", "x.psd", "jpg", "x.jpg.txt", "x."])
def test_other_suffixes_are_no_pictures(name: str, tmp_path: Path) -> None:
    data = DataSet.open(write_files(tmp_path, USUAL | {f"train/a/{name}": b"x"}))

    assert len(PICTURE_SUFFIXES) == 14
    assert (len(data.train), [path.name for path in data.others]) == (2, [name])


@pytest.mark.parametrize("name", [".x.jpg", "__MACOSX/x.jpg", "Thumbs.db", "desktop.ini"])
def test_what_systems_leave_behind_is_neither_photo_nor_stranger(name: str, tmp_path: Path) -> None:
    root = write_files(tmp_path, USUAL | {f"train/a/{name}": b"x", f"test/{name}": b"x", name: b""})

    data = DataSet.open(root)

    assert (len(data.train), len(data.test), data.others) == (2, 2, ())


def test_layout_names_the_pictures_of_each_split_and_class_and_the_rest(tmp_path: Path) -> None:
    extra = {"z.txt": b"", "old/x.jpg": b"", "valid/loose.jpg": b"", "test/b/n.txt": b""}
    root = write_files(tmp_path, USUAL | extra | {"train/b/deep/er/2.png": b""})

    layout = read_layout(root)

    assert layout.groups["train"] == {
        "a": (root / "train/a/1.jpg",),
        "b": (root / "train/b/1.jpg", root / "train/b/deep/er/2.png"),
    }
    assert layout.groups["test"]["b"] == (root / "test/b/1.jpg",)
    assert layout.others == tuple(
        root / name for name in ("old", "test/b/n.txt", "valid/loose.jpg", "z.txt")
    )


def test_set_without_splits_has_its_strays_named_once(tmp_path: Path) -> None:
    root = write_files(tmp_path, {"a/1.jpg": b"1", "b/1.jpg": b"2", "n.txt": b"", "b/m.txt": b""})

    layout = read_layout(root)

    assert layout.groups == {None: {"a": (root / "a/1.jpg",), "b": (root / "b/1.jpg",)}}
    assert layout.others == (root / "b/m.txt", root / "n.txt")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.jpg": b"", "b.txt": b""}, "its 1 pictures are not in class folders."),
        (dict.fromkeys([f"c{n}/x.txt" for n in range(6)], b""),
         "no picture in its 6 folders (c0, c1, c2, c3, c4 ...)"),
        (dict.fromkeys([f"c{n}/x.txt" for n in range(5)], b""),
         "no picture in its 5 folders (c0, c1, c2, c3, c4)."),
        ({"notes.txt": b""}, "it holds no folder."),
    ],
)  # fmt: skip
def test_folder_that_is_no_data_set_is_told_what_it_holds_and_what_is_expected(
    files: dict[str, bytes], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as error:
        read_layout(write_files(tmp_path, files))

    assert str(error.value).startswith(f"{tmp_path} is not a data set: {message}")
    assert "\nExpected either three folders of class folders:\n" in str(error.value)


def test_missing_splits_are_named_beside_those_that_are_there(tmp_path: Path) -> None:
    root = write_files(tmp_path, {"training/a/1.jpg": b"1"})
    with pytest.raises(
        DataError, match=r"holds training, but no valid and no test folder\. Add it"
    ):
        read_layout(root)


def test_two_names_for_one_split_are_both_named(tmp_path: Path) -> None:
    root = write_files(tmp_path, USUAL | {"val/a/2.jpg": b"2"})
    with pytest.raises(DataError, match="holds val and valid, two names"):
        read_layout(root)


@pytest.mark.parametrize(("empty", "more"), [(10, ""), (11, " ...")])
def test_ten_classes_without_photos_are_named(empty: int, more: str, tmp_path: Path) -> None:
    names = [f"e{number:02}" for number in range(empty)]
    files = {"cat/1.jpg": b"1"} | {f"{name}/x.txt": b"" for name in names}

    with pytest.raises(DataError) as error:
        DataSet.open(write_files(tmp_path, files))

    listed = ", ".join(names[:10]) + more
    expected = f"{empty} of {empty + 1} class folders have no picture: {listed}. Add pictures"
    assert expected in str(error.value)


def test_folders_with_one_label_are_named_with_it() -> None:
    assert labels_of(["1.Great_Dane", "2.Pug"]) == ("Great Dane", "Pug")
    with pytest.raises(DataError, match=r"class folders 1\.Pug, 3_Pug have one label, 'Pug'"):
        labels_of(["1.Pug", "2.Great_Dane", "3_Pug"])


def test_photos_whose_names_are_one_text_are_refused(tmp_path: Path) -> None:
    twice = {"train/a/u\u0308.jpg": b"1", "train/a/\u00fc.jpg": b"2"}
    root = write_files(tmp_path, USUAL | twice)
    if len(list((root / "train/a").iterdir())) < 3:
        pytest.skip("the file system takes both names for one")

    with pytest.raises(DataError, match=r"u\u0308\.jpg and .*\u00fc\.jpg are both called"):
        DataSet.open(root)


def test_photos_are_in_the_order_of_their_names_not_of_their_spellings(tmp_path: Path) -> None:
    # On disk u and its dots, two characters, come before v; composed, as in names, after it.
    files = {"train/a/u\u0308.jpg": b"1", "train/a/v.jpg": b"2"}
    data = DataSet.open(write_files(tmp_path, USUAL | files))

    found = [data.names[sample.path] for sample in data.train]

    assert found == sorted(found)
    assert found[1:3] == ["train/a/v.jpg", "train/a/\u00fc.jpg"]


def test_hash_is_over_names_and_contents_in_the_order_of_names() -> None:
    one = set_hash({"a": "1" * 64, "b": "2" * 64})

    assert one == set_hash({"b": "2" * 64, "a": "1" * 64})
    assert one != set_hash({"a": "2" * 64, "b": "1" * 64})
    assert one == "ab7b0f7fcd820a946bfa33d060317501b816a6aceb55d476c6379292ae7819dc"


def test_digests_are_sha256_of_each_file_by_its_path(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": b"abc", "b": b""})

    found = file_digests([tmp_path / "b", tmp_path / "a"])

    assert found == {
        tmp_path / "a": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        tmp_path / "b": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }
    assert THREADS == 8
    with pytest.raises(DataError, match="gone cannot be read: No such file"):
        file_digest(tmp_path / "gone")


def test_set_that_is_split_here_is_dealt_by_seed_and_fractions(tmp_path: Path) -> None:
    files = {f"{name}/{number}.jpg": f"{name}{number}".encode()
             for name in "ab" for number in range(10)}  # fmt: skip
    root = write_files(tmp_path, files)

    plain, again = DataSet.open(root), DataSet.open(root, 0, (0.8, 0.1, 0.1))
    halved = DataSet.open(root, 0, (0.5, 0.3, 0.2))

    assert plain.names == again.names
    assert [len(halved.splits[split]) for split in ("train", "valid", "test")] == [10, 6, 4]
    assert all(
        name.split("/")[1:] == list(p.relative_to(root).parts) for p, name in plain.names.items()
    )
    assert DataSet.open(root, seed=1).names != plain.names
