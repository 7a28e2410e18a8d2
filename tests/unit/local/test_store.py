"""Tables on disk, and the directory they live in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.errors import StartError
from local.state_dir import StateLock, check_readable
from local.store import Store


def test_change_is_on_disk_when_its_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "below" / "state.json"
    store = Store(path, "models", "endpoints")

    with store.changing():
        store["models"]["arn"] = {"ModelName": "ü"}

    again = Store(path, "models", "endpoints")
    assert again["models"] == {"arn": {"ModelName": "ü"}}
    assert again.rows("endpoints") == []


def test_change_that_fails_is_not_written(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.json", "models")

    def change() -> None:
        with store.changing():
            store["models"]["arn"] = {}
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change()

    assert not (tmp_path / "state.json").exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 2, "models": {}}', '{"format": 1}', '{"models": {}}']
)
def test_file_that_is_no_state_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)

    with pytest.raises(StartError, match=str(path)):
        Store(path, "models")


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
