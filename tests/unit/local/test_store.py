"""Tables on disk, and the directory they live in."""

from __future__ import annotations

import errno
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from local.errors import StartError
from local.state_dir import StateLock, check_readable
from local.store import Record, Store


def test_change_is_on_disk_when_its_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "far" / "below" / "state.json"
    store = Store(path, "models", "endpoints")

    with store.changing():
        store["models"]["arn"] = {"ModelName": "ü"}

    again = Store(path, "models", "endpoints")
    assert again["models"] == {"arn": {"ModelName": "ü"}}
    assert again.rows("endpoints") == []


def test_change_that_fails_is_neither_written_nor_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    store = Store(path, "models", "endpoints")
    with store.changing():
        store["models"]["stays"] = {"n": 1}
    before = path.read_bytes()

    def change() -> None:
        with store.changing():
            store["models"]["arn"] = {}
            store["endpoints"]["arn"] = {}
            del store["models"]["stays"]
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change()

    assert path.read_bytes() == before
    assert store["models"] == {"stays": {"n": 1}}
    assert store.rows("endpoints") == []


class FullDisk:
    """os.fsync on a disk that is full until somebody makes room."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = True
        real = os.fsync

        def fsync(number: int) -> None:
            if self.is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(number)

        monkeypatch.setattr(os, "fsync", fsync)


def test_full_disk_is_told_and_the_row_that_could_not_be_kept_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "state.json", "models")
    table = store["models"]
    disk = FullDisk(monkeypatch)

    def add() -> None:
        with store.changing():
            store["models"]["arn"] = {}

    with pytest.raises(OSError, match="No space left"):
        add()
    assert store.rows("models") == []
    assert list(tmp_path.iterdir()) == []

    disk.is_full = False
    add()
    assert Store(tmp_path / "state.json", "models").rows("models") == [{}]
    assert store["models"] is table


def test_what_happened_on_a_full_disk_is_kept_logged_and_written_with_the_next_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.json"
    store = Store(path, "models")
    disk = FullDisk(monkeypatch)

    with store.recording():
        store["models"]["arn"] = {"status": "ended"}

    assert store["models"] == {"arn": {"status": "ended"}}
    assert str(path) in caplog.text
    disk.is_full = False
    with store.recording():
        pass
    assert Store(path, "models")["models"] == {"arn": {"status": "ended"}}


def test_fault_inside_a_record_of_what_happened_is_not_swallowed(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.json", "models")

    def fails() -> None:
        with store.recording():
            raise OSError("not the disk's")

    with pytest.raises(OSError, match="not the disk's"):
        fails()
    with store.changing():  # the lock and the depth are as before
        store["models"]["arn"] = {}
    assert Store(tmp_path / "state.json", "models")["models"] == {"arn": {}}


@pytest.mark.parametrize("inner", ["changing", "recording"])
@pytest.mark.parametrize("outer", ["changing", "recording"])
def test_blocks_within_blocks_are_one_change(tmp_path: Path, inner: str, outer: str) -> None:
    path = tmp_path / "state.json"
    store = Store(path, "models")

    with getattr(store, outer)():
        with getattr(store, inner)():
            store["models"]["one"] = {}
        assert not path.exists()
        store["models"]["two"] = {}

    assert list(Store(path, "models")["models"]) == ["one", "two"]


def test_tables_are_replaced_whole_and_only_once_they_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    store = Store(path, "models")
    with store.changing():
        store["models"]["old"] = {}
    old = path.read_text()
    synced: list[tuple[str, str]] = []
    real = os.fsync

    def fsync(number: int) -> None:
        real(number)
        # a cut of the power at this moment leaves these two
        synced.append((path.read_text(), path.with_suffix(".tmp").read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    with path.open() as opened_before:
        with store.changing():
            store["models"]["new"] = {}
        assert opened_before.read() == old

    assert synced == [(old, path.read_text())]
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]
    assert json.loads(path.read_text()) == {"format": 1, "models": {"old": {}, "new": {}}}


def test_changes_of_many_threads_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    store = Store(path, "models")
    with store.changing():
        store["models"]["count"] = {"n": 0}

    def add(number: int) -> None:
        with store.changing():
            n = store["models"]["count"]["n"]
            store["models"][str(number)] = {}
            store["models"]["count"]["n"] = n + 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(100)))

    kept = Store(path, "models")["models"]
    assert kept["count"] == {"n": 100}
    assert len(kept) == 101


@pytest.mark.parametrize("block", ["changing", "recording"])
def test_looking_waits_for_the_change_of_another_thread(tmp_path: Path, block: str) -> None:
    store = Store(tmp_path / "state.json", "models")
    looking = threading.Event()

    def look() -> list[Record]:
        looking.set()
        return store.rows("models")

    with ThreadPoolExecutor(1) as pool:
        with getattr(store, block)():
            store["models"]["half"] = {"done": False}
            seen = pool.submit(look)
            assert looking.wait(30)
            assert not wait([seen], timeout=0.1).done
            store["models"]["half"] = {"done": True}
        assert seen.result(30) == [{"done": True}]


def test_snapshot_is_not_changed_by_what_comes_later(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.json", "models")
    with store.changing():
        store["models"]["one"] = {}
    snapshot = store.rows("models")

    with store.changing():
        store["models"]["two"] = {}

    assert snapshot == [{}]


def test_table_of_another_name_is_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    with Store(path, "models", "old").changing():
        pass

    store = Store(path, "models")

    with pytest.raises(KeyError):
        store["old"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 2, "models": {}}', '{"format": 1}', '{"models": {}}']
)
def test_file_that_is_no_state_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)

    with pytest.raises(StartError, match=str(path)) as raised:
        Store(path, "models")
    assert "to start afresh" in str(raised.value)
    assert path.read_text() == content


def test_folder_in_the_place_of_the_state_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=str(tmp_path)):
        Store(tmp_path, "models")


def test_lock_names_its_holder_and_is_free_after_it(tmp_path: Path) -> None:
    first = StateLock(tmp_path, 4566)
    with pytest.raises(StartError, match="on port 4566"):
        StateLock(tmp_path, 4567)

    first.close()

    StateLock(tmp_path, 4567).close()


def test_services_that_can_be_read_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "sqs.json").write_text(json.dumps({"payload": {}}))

    check_readable(tmp_path)


def test_service_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "sqs.json").write_text('{"payload": ')

    with pytest.raises(StartError, match=r"sqs\.json"):
        check_readable(tmp_path)
