"""Archives at the limits: their size, their room on the disk, and what an entry may be."""

import io
import shutil
import stat
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.training.data.archive_server import archive
from training.data.errors import DataError
from training.data.unpack import MAX_GROWTH, check_space, unpack


def unpacked(folder: Path, content: bytes) -> tuple[int, dict[str, bytes]]:
    """The number that `unpack` returns, and the files."""
    (folder / "x.zip").write_bytes(content)
    count = unpack(folder / "x.zip", folder / "out", lambda done, total: None)
    files = (path for path in (folder / "out").rglob("*") if path.is_file())
    return count, {p.relative_to(folder / "out").as_posix(): p.read_bytes() for p in files}


def of_entry(entry: zipfile.ZipInfo, content: bytes = b"1") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(entry, content)
        file.writestr("b/other.jpg", b"2")
    return buffer.getvalue()


def test_files_are_counted_and_every_byte_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(archive({"a/1.jpg": b"1" * 5, "b/2.jpg": b"2" * 7}))
    told: list[tuple[int, int]] = []

    count = unpack(tmp_path / "x.zip", tmp_path / "out", lambda *now: told.append(now))

    assert (count, told) == (2, [(5, 12), (12, 12)])
    assert not (tmp_path / "out.partial").exists()


def test_folder_in_the_archive_is_no_entry(tmp_path: Path) -> None:
    folder = zipfile.ZipInfo("a/")
    assert unpacked(tmp_path, of_entry(folder, b"")) == (1, {"other.jpg": b"2"})


def test_one_folder_around_is_left_out_and_those_inside_stay(tmp_path: Path) -> None:
    inside = archive({"a/1.jpg": b"1", "a/b/2.jpg": b"2"})
    assert unpacked(tmp_path, inside)[1] == {"1.jpg": b"1", "b/2.jpg": b"2"}


def test_single_file_at_the_top_keeps_its_name(tmp_path: Path) -> None:
    assert unpacked(tmp_path, archive({"1.jpg": b"1"})) == (1, {"1.jpg": b"1"})


@pytest.mark.parametrize(("free", "fits"), [(1000, True), (999, False)])
def test_disk_must_hold_the_bytes_to_the_last(
    free: int, fits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    if fits:
        check_space(tmp_path, 1000)
    else:
        with pytest.raises(DataError, match=r"0\.0 GB free and 0\.0 GB more are needed"):
            check_space(tmp_path, 1000)


def test_archive_that_does_not_fit_on_the_disk_unpacks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2.5e9))
    sizes = {Path("a.jpg"): SimpleNamespace(file_size=2_000_000_000),
             Path("b.jpg"): SimpleNamespace(file_size=1_000_000_000)}  # fmt: skip
    monkeypatch.setattr("training.data.unpack._entries", lambda *_: sizes)

    with pytest.raises(DataError, match=r"has 2\.5 GB free and 3\.0 GB more are needed"):
        unpacked(tmp_path, archive({"a/1.jpg": b"1"}))

    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


@pytest.mark.parametrize(("size", "fits"), [(2000, True), (1999, False)])
def test_archive_may_grow_twentyfold_and_not_a_byte_more(
    size: int, fits: bool, tmp_path: Path
) -> None:
    content = archive({"a/1.bmp": bytes(MAX_GROWTH * 2000)}, method=zipfile.ZIP_DEFLATED)
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with zipfile.ZipFile(path, "a") as file:
        file.comment = bytes(size - len(content))

    assert (path.stat().st_size, MAX_GROWTH) == (size, 20)
    if fits:
        assert unpacked(tmp_path, path.read_bytes())[0] == 1
    else:
        with pytest.raises(DataError, match="more than 20 times"):
            unpacked(tmp_path, path.read_bytes())


@pytest.mark.parametrize(
    ("kind", "refused"),
    [(0, False), (stat.S_IFREG, False), (stat.S_IFIFO, True), (stat.S_IFLNK, True)],
)
def test_entry_must_be_a_plain_file_where_the_archive_says_what_it_is(
    kind: int, refused: bool, tmp_path: Path
) -> None:
    entry = zipfile.ZipInfo("a/1.jpg")
    entry.external_attr = (kind | 0o644) << 16
    if refused:
        with pytest.raises(DataError, match=r"'a/1\.jpg' is a link or a device"):
            unpacked(tmp_path, of_entry(entry))
    else:
        assert unpacked(tmp_path, of_entry(entry))[0] == 2


def test_what_macos_adds_is_left_out_whatever_it_is_in(tmp_path: Path) -> None:
    files = {"a/.DS_Store": b"", "a/._1.jpg": b"", "__MACOSX/1.jpg": b"", "b/__MACOSX/1.jpg": b"1"}

    assert unpacked(tmp_path, archive(files)) == (1, {"__MACOSX/1.jpg": b"1"})
