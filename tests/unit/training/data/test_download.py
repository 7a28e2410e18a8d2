"""Downloads that are cut, resumed, changed half-way, refused; archives that mean harm."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.training.data.archive_server import Site, archive, serving
from tests.unit.training.data.photos import small_set
from training.data.dataset import DataSet
from training.data.download import DOG_IMAGES, Download, Progress, download, record_path
from training.data.errors import DataError
from training.data.fetch import ATTEMPTS, fetch
from training.data.unpack import unpack

CONTENT = archive({f"dogImages/{name}": content for name, content in small_set().items()})
HALF = len(CONTENT) // 2


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(CONTENT) as running:
        yield running


def _no_progress(done: int, total: int | None) -> None:
    pass


def _fetch(site: Site, target: Path) -> list[float]:
    """Fetch without waiting; returns the pauses that would have been made."""
    pauses: list[float] = []
    fetch(site.url, target, _no_progress, pauses.append)
    return pauses


def _stopped(site: Site, target: Path) -> None:
    """A first run that got half of the file and was stopped."""
    site.cuts = [HALF, None]

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(site.url, target, _no_progress, stop)
    assert not target.exists()
    site.requests.clear()


def test_download_unpacks_a_data_set_and_records_what_it_was(site: Site, tmp_path: Path) -> None:
    done: list[tuple[int, int | None]] = []
    progress = Progress(lambda *args: done.append(args), lambda *args: done.append(args))
    target = tmp_path / "new" / "dogs"
    record = download(site.url, target, None, progress)

    assert DataSet.open(target).labels == ("Beagle", "Golden retriever")
    assert record.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert (record.size, record.etag) == (len(CONTENT), site.current_etag())
    assert Download(**json.loads(record_path(target).read_text())) == record
    assert sorted(path.name for path in target.parent.iterdir()) == ["dogs", "dogs.download.json"]
    assert (len(CONTENT), len(CONTENT)) in done
    unpacked = sum(map(len, small_set().values()))
    assert done[-1] == (unpacked, unpacked)


def test_second_download_asks_nothing(site: Site, tmp_path: Path) -> None:
    progress = Progress(_no_progress, _no_progress)
    first = download(site.url, tmp_path / "dogs", None, progress)
    assert download(site.url, tmp_path / "dogs", first.sha256.upper(), progress) == first
    assert len(site.requests) == 1
    with pytest.raises(DataError, match="not what was asked for"):
        download(site.url, tmp_path / "dogs", "0" * 64, progress)
    with pytest.raises(DataError, match="not what was asked for"):
        download(site.url + "?other", tmp_path / "dogs", None, progress)


def test_folder_that_no_download_made_is_left_alone(site: Site, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError, match="no download made it"):
        download(site.url, tmp_path / "mine", None, Progress(_no_progress, _no_progress))
    assert site.requests == []


@pytest.mark.parametrize("notes", ["no JSON", '{"url": "x"}', "[]"])
def test_folder_with_notes_that_are_not_a_downloads_is_left_alone(
    notes: str, site: Site, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    record_path(tmp_path / "mine").write_text(notes)
    with pytest.raises(DataError, match="no download made it"):
        download(site.url, tmp_path / "mine", None, Progress(_no_progress, _no_progress))


def test_wrong_sha256_leaves_nothing_but_an_error(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0{64} was expected"):
        download(site.url, tmp_path / "dogs", "0" * 64, Progress(_no_progress, _no_progress))
    assert list(tmp_path.iterdir()) == []


def test_stopped_unpacking_goes_on_without_a_download(site: Site, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(site.url, tmp_path / "dogs", None, Progress(_no_progress, stop))
    assert not (tmp_path / "dogs").exists()
    download(site.url, tmp_path / "dogs", None, Progress(_no_progress, _no_progress))
    assert len(DataSet.open(tmp_path / "dogs").train) == 24
    assert len(site.requests) == 1


def test_cut_connection_is_resumed_where_it_ended(site: Site, tmp_path: Path) -> None:
    site.cuts = [1000, 500, None]
    pauses = _fetch(site, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert site.requests == [None, "bytes=1000-", "bytes=1500-"]
    assert all(0 < pause <= 1 for pause in pauses)  # each attempt brought something new


def test_stopped_run_is_resumed_by_the_next(site: Site, tmp_path: Path) -> None:
    _stopped(site, tmp_path / "x")
    _fetch(site, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert site.requests == [f"bytes={HALF}-"]
    assert site.conditions[-1] == site.current_etag()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("honours_if_range", [True, False])
@pytest.mark.parametrize("length", [len(CONTENT), HALF - 7, HALF, 3 * HALF])
def test_file_that_changed_meanwhile_is_fetched_anew(
    site: Site, tmp_path: Path, honours_if_range: bool, length: int
) -> None:
    _stopped(site, tmp_path / "x")
    site.honours_if_range = honours_if_range
    site.content = (CONTENT[::-1] * 2)[:length]
    _fetch(site, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == site.content


@pytest.mark.parametrize(
    "trait", [{"ranges": False}, {"send_etag": False}, {"etag": 'W/"weak"'}], ids=str
)
def test_server_that_cannot_resume_gives_the_whole_file(
    site: Site, tmp_path: Path, trait: dict[str, object]
) -> None:
    for name, value in trait.items():
        setattr(site, name, value)
    _stopped(site, tmp_path / "x")
    _fetch(site, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    # Without a strong validator no one can tell whether the part fits, so none is asked for.
    assert site.requests == ([None] if site.ranges else [f"bytes={HALF}-"])


def test_part_of_another_url_is_not_continued(site: Site, tmp_path: Path) -> None:
    _stopped(site, tmp_path / "x")
    fetch(site.url + "?other", tmp_path / "x", _no_progress)
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert site.requests == [None]


def test_whole_part_only_needs_its_name(site: Site, tmp_path: Path) -> None:
    _stopped(site, tmp_path / "x")
    (tmp_path / "x.part").write_bytes(CONTENT)
    _fetch(site, tmp_path / "x")
    assert ((tmp_path / "x").read_bytes(), site.requests) == (CONTENT, [])


def test_broken_notes_start_again(site: Site, tmp_path: Path) -> None:
    _stopped(site, tmp_path / "x")
    (tmp_path / "x.part.json").write_text('{"url": ')
    _fetch(site, tmp_path / "x")
    assert ((tmp_path / "x").read_bytes(), site.requests) == (CONTENT, [None])


def test_cut_at_the_same_byte_again_and_again_gives_up(site: Site, tmp_path: Path) -> None:
    site.ranges = False
    site.cuts = [HALF]
    with pytest.raises(DataError, match="gave up after"):
        _fetch(site, tmp_path / "x")
    assert len(site.requests) == 1 + ATTEMPTS - 1
    assert not (tmp_path / "x").exists()


def test_temporary_errors_are_waited_out(site: Site, tmp_path: Path) -> None:
    site.statuses = [503, 429, 500]
    pauses = _fetch(site, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert [0.5 * 2**i <= pause <= 2**i for i, pause in enumerate(pauses)] == [True] * 3


@pytest.mark.parametrize("status", [403, 404, 410])
def test_refusal_is_final(site: Site, tmp_path: Path, status: int) -> None:
    site.statuses = [status]
    with pytest.raises(DataError, match=f"answers {status}"):
        _fetch(site, tmp_path / "x")
    assert len(site.requests) == 1


def test_server_that_is_not_there_gives_up(tmp_path: Path) -> None:
    with serving(b"") as gone:
        pass
    with pytest.raises(DataError, match="gave up"):
        _fetch(gone, tmp_path / "x")


def test_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Invalid URL"):
        fetch("nowhere", tmp_path / "x", _no_progress)


def test_file_is_written_as_it_arrives(site: Site, tmp_path: Path) -> None:
    site.cuts = [1, 1, 1, 1, 1, 1, 1, 1, None]
    _fetch(site, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert site.requests[-1] == "bytes=8-"


def test_file_of_unknown_size_is_taken_as_it_ends(site: Site, tmp_path: Path) -> None:
    site.send_length = False
    _fetch(site, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def _unpacked(folder: Path, content: bytes) -> list[str]:
    path = folder / "x.zip"
    path.write_bytes(content)
    unpack(path, folder / "out", lambda done, total: None)
    return sorted(p.relative_to(folder / "out").as_posix() for p in (folder / "out").rglob("*.*"))


def test_clutter_of_macos_and_the_one_folder_around_are_left_out(tmp_path: Path) -> None:
    files = {"dogImages/train/a/1.jpg": b"1", "dogImages/.DS_Store": b"2",
             "dogImages/train/a/._1.jpg": b"3", "__MACOSX/dogImages/1.jpg": b"4"}  # fmt: skip
    assert _unpacked(tmp_path, archive(files)) == ["train/a/1.jpg"]


def test_folders_at_the_top_stay(tmp_path: Path) -> None:
    files = {"train/a/1.jpg": b"1", "test/a/2.jpg": b"2"}
    assert _unpacked(tmp_path, archive(files)) == ["test/a/2.jpg", "train/a/1.jpg"]


_EVIL = {
    "../evil.jpg": "leads out",
    "a/../../evil.jpg": "leads out",
    "/tmp/evil.jpg": "leads out",
    "..\\evil.jpg": "leads out",
    "C:/evil.jpg": "leads out",
}


@pytest.mark.parametrize("name", _EVIL)
def test_path_that_leads_out_unpacks_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=_EVIL[name]):
        _unpacked(tmp_path, archive({"a/1.jpg": b"1", name: b"2"}))
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_link_unpacks_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a link or a device"):
        _unpacked(tmp_path, archive({"a/1.jpg": b"1"}, links={"a/etc": "/etc"}))
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_archive_that_grows_beyond_reason_unpacks_nothing(tmp_path: Path) -> None:
    bomb = archive({"a/1.bmp": bytes(10_000_000)}, method=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="more than 20 times"):
        _unpacked(tmp_path, bomb)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_method_and_encryption_that_are_not_supported_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="packed by method 14"):
        _unpacked(tmp_path, archive({"a/1.jpg": b"1"}, method=zipfile.ZIP_LZMA))
    plain = bytearray(archive({"a/1.jpg": b"1"}))
    plain[plain.index(b"PK\1\2") + 8] |= 1  # the flag in the central directory
    with pytest.raises(DataError, match="is encrypted"):
        _unpacked(tmp_path, bytes(plain))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_entry_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/1.jpg", b"1")
        file.writestr("a/1.jpg", b"2")
    with pytest.raises(DataError, match="is there twice"):
        unpack(path, tmp_path / "out", lambda done, total: None)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"<html>log in first</html>", id="a web page"),
        pytest.param(CONTENT[:-100], id="without its end"),
        pytest.param(CONTENT.replace(b"JFIF", b"JFIX", 1), id="one byte changed"),
        pytest.param(archive({}), id="no file"),
    ],
)
def test_archive_that_is_damaged_gives_no_folder(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"damaged or no zip archive|holds no file"):
        _unpacked(tmp_path, content)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("error", [zlib.error("invalid distance"), EOFError("no more")], ids=str)
def test_pixels_that_cannot_be_unpacked_are_a_damaged_archive(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "dogs.zip"
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("train/001.Pug/a.jpg", b"photo")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("training.data.unpack.shutil.copyfileobj", fail)
    with pytest.raises(DataError, match=f"is damaged or no zip archive: {error}"):
        unpack(archive, tmp_path / "dogs", lambda _done, _total: None)
    assert not (tmp_path / "dogs").exists()


def test_leftovers_of_a_stopped_run_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "old.jpg").touch()
    assert _unpacked(tmp_path, archive({"a/1.jpg": b"1", "b/2.jpg": b"2"})) == [
        "a/1.jpg",
        "b/2.jpg",
    ]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([".", "a/b.jpg"], "has no name"),
        (["a", "a/b.jpg"], "is below a file"),
        (["a/b/c.jpg", "a"], "is below a file"),
        (["a/b", "a/b/c/d.jpg"], "is below a file"),
    ],
)
def test_entries_that_cannot_be_files_unpack_nothing(
    names: list[str], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name in names:
            packed.writestr(zipfile.ZipInfo(name), b"x" * 100)
    with pytest.raises(DataError, match=reason):
        unpack(path, tmp_path / "photos", lambda done, total: None)
    assert not (tmp_path / "photos").exists()


def test_expected_sha256_may_be_in_capitals(site: Site, tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest().upper()
    progress = Progress(_no_progress, _no_progress)
    assert download(site.url, tmp_path / "dogs", digest, progress).size == len(CONTENT)


def test_archive_that_came_from_another_address_is_fetched_anew(site: Site, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(site.url, tmp_path / "dogs", None, Progress(_no_progress, stop))
    other = site.url + "?other"
    record = download(other, tmp_path / "dogs", None, Progress(_no_progress, _no_progress))
    assert (record.url, len(site.requests)) == (other, 2)


def test_usual_data_set_is_udacitys() -> None:
    assert DOG_IMAGES.startswith("https://s3-us-west-1.amazonaws.com/udacity-aind/dog-project/")
    assert DOG_IMAGES.endswith("/dogImages.zip")
