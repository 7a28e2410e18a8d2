"""When tables are written, what a failure puts back, and what a cut would leave."""

from __future__ import annotations

import json
import logging
import os
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from local.errors import StartError
from local.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


def change(block: AbstractContextManager[None], store: Store, *arns: str) -> None:
    with block:
        for arn in arns:
            store["models"][arn] = {"Arn": arn}


def on_disk(path: Path) -> list[str]:
    return list(json.loads(path.read_text())["models"])


def failing(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_file_says_its_format_and_holds_every_table(path: Path) -> None:
    store = Store(path, "models", "endpoints")
    change(store.changing(), store, "a")

    assert json.loads(path.read_text()) == {
        "format": 1,
        "models": {"a": {"Arn": "a"}},
        "endpoints": {},
    }


def test_block_within_a_block_is_written_with_the_outer_one(path: Path) -> None:
    store = Store(path, "models")

    with store.changing():
        change(store.changing(), store, "a")
        change(store.recording(), store, "b")
        assert not path.exists()

    assert on_disk(path) == ["a", "b"]


@pytest.mark.parametrize("outer", ["changing", "recording"])
def test_blocks_after_one_that_failed_are_written_again(outer: str, path: Path) -> None:
    store = Store(path, "models")
    with pytest.raises(RuntimeError), getattr(store, outer)():
        raise RuntimeError

    change(store.changing(), store, "a")

    assert on_disk(path) == ["a"]


def test_change_that_fails_puts_back_what_came_and_what_went(path: Path) -> None:
    store = Store(path, "models", "endpoints")
    change(store.changing(), store, "a", "b")
    table = store["models"]

    def stopped() -> None:
        with store.changing():
            del store["models"]["a"]
            store["models"]["c"] = {}
            store["endpoints"]["e"] = {}
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()

    assert store["models"] is table
    assert list(table) == ["a", "b"]
    assert store["endpoints"] == {}
    assert on_disk(path) == ["a", "b"]


def test_change_that_the_disk_does_not_take_is_put_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(path, "models")
    change(store.changing(), store, "a")
    monkeypatch.setattr(os, "fsync", failing)

    with pytest.raises(OSError, match="No space"):
        change(store.changing(), store, "b")

    assert list(store["models"]) == on_disk(path) == ["a"]
    assert [file.name for file in path.parent.iterdir()] == ["state.json"]


def test_what_has_happened_stays_where_the_disk_is_full_and_is_written_with_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(path, "models")
    with monkeypatch.context() as full, caplog.at_level(logging.ERROR):
        full.setattr(os, "fsync", failing)
        change(store.recording(), store, "a")

    assert list(store["models"]) == ["a"]
    assert f"{path} is behind what happened" in caplog.text
    change(store.recording(), store, "b")
    assert on_disk(path) == ["a", "b"]


def test_tables_reach_the_disk_beside_the_file_before_they_replace_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(path, "models")
    change(store.changing(), store, "a")
    seen: list[tuple[list[str], list[str]]] = []

    def fsync(number: int) -> None:
        assert os.fstat(number).st_ino == path.with_suffix(".tmp").stat().st_ino
        seen.append((on_disk(path), on_disk(path.with_suffix(".tmp"))))

    monkeypatch.setattr(os, "fsync", fsync)
    change(store.changing(), store, "b")

    assert seen == [(["a"], ["a", "b"])]
    assert on_disk(path) == ["a", "b"]


def test_rows_are_a_copy_of_the_list(path: Path) -> None:
    store = Store(path, "models")
    change(store.changing(), store, "a")

    rows = store.rows("models")
    change(store.changing(), store, "b")

    assert rows == [{"Arn": "a"}]


@pytest.mark.parametrize("block", ["changing", "recording"])
def test_others_wait_until_a_block_ends(block: str, path: Path) -> None:
    store = Store(path, "models")
    entered, read = threading.Event(), threading.Event()
    rows: list[Any] = []

    def reader() -> None:
        entered.wait(10)
        rows.extend(store.rows("models"))
        read.set()

    thread = threading.Thread(target=reader)
    thread.start()
    with getattr(store, block)():
        entered.set()
        assert not read.wait(0.1)
        store["models"]["a"] = {"Arn": "a"}
    thread.join(10)

    assert rows == [{"Arn": "a"}]


def test_state_that_cannot_be_read_says_what_to_do(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StartError, match="Delete the state directory to start afresh"):
        Store(path, "models")
