"""A thumbnail that is there later than its row."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from classify import handler, thumbnails
from classify.deadline import Deadline
from classify.errors import RetryableError
from classify.events import Upload
from classify.rows import Known, Written, thumbnail_key

from tests.unit.classify.world import BUCKET, KEY


class Rig:
    """Thumbnails over ports whose writes end when they are told to."""

    def __init__(self, known: Callable[[list[str]], dict[str, Known]]) -> None:
        self.go = threading.Event()
        self.deleted: list[str] = []

        def put(_upload: Upload, _jpeg: bytes) -> None:
            self.go.wait(timeout=30)

        ports = replace(
            handler.PORTS,
            known_rows=lambda keys: known(list(keys)),
            put_thumbnail=put,
            delete_thumbnail=lambda key: self.deleted.append(key),
        )
        self.thumbnails = thumbnails.Thumbnails(ports, Deadline(lambda: 60_000))
        self.upload = Upload(BUCKET, KEY, "A" * 32)
        self.key = thumbnail_key(KEY, "A" * 32)

    def row_stands_before_its_thumbnail(self) -> dict[str, str]:
        self.thumbnails.write(self.upload, b"jpeg")
        self.thumbnails.row_is_written(self.upload, {"thumbnail": self.key}, Written(True))
        self.go.set()
        left = self.thumbnails.finish()
        self.thumbnails.close()
        return left


def test_thumbnail_later_than_its_row_is_kept_while_the_row_stands() -> None:
    named = thumbnail_key(KEY, "A" * 32)
    rig = Rig(lambda keys: {key: Known("A" * 32, thumbnail=named) for key in keys})
    assert rig.row_stands_before_its_thumbnail() == {}
    assert rig.deleted == []


@pytest.mark.parametrize(
    "now",
    [{KEY: Known("B" * 32, thumbnail="thumbnails/b.jpg")}, {KEY: Known("A" * 32)}, {}],
    ids=["replaced", "deleted by another delivery", "gone"],
)
def test_thumbnail_later_than_its_row_is_deleted_when_the_row_was_replaced_meanwhile(
    now: dict[str, Known],
) -> None:
    rig = Rig(lambda _keys: now)
    assert rig.row_stands_before_its_thumbnail() == {}
    assert rig.deleted == [rig.key]


def test_table_that_cannot_say_leaves_the_thumbnail_behind() -> None:
    def busy(_keys: list[str]) -> dict[str, Known]:
        raise RetryableError("busy")

    rig = Rig(busy)
    assert rig.row_stands_before_its_thumbnail() == {rig.key: "RetryableError: busy"}
    assert rig.deleted == []
