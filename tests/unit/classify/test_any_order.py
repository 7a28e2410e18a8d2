"""Put, overwritten, deleted, back again: in any order of events, the row is what S3 holds.

Events come late, twice, in any company, and while others are in work. A try may fail before its row
is written, or after it. When all is delivered, each key's row is of the version that stands, or
says that none does, and the thumbnails are those that rows name.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from classify import clients, handler
from classify.deadline import Deadline
from classify.errors import ObjectGoneError, PhotoDeletedError, RetryableError
from classify.events import Upload
from classify.ports import Ports
from classify.rows import Known, Row, Written, thumbnail_key, thumbnails_of
from classify.wire import Answer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.unit.classify.world import (
    FakeEndpoint,
    FakeQueue,
    Json,
    deliver,
    message,
    picture,
    prediction,
    record,
    removed,
)

PHOTOS = [picture(), b"text"]
KEYS = ["uploads/a.jpg", "uploads/b.jpg"]


@dataclass
class Stored:
    """One version of an object, or a delete marker."""

    version_id: str
    data: bytes | None


@dataclass
class FakeCloud:
    """A versioned bucket, the events that it sends, and a table, each as AWS documents it."""

    versions: dict[str, list[Stored]] = field(default_factory=lambda: {key: [] for key in KEYS})
    events: list[Json] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    thumbnails: set[str] = field(default_factory=set)
    count: int = 0
    # Called once, where the function waits for the outside world.
    meanwhile: list[Callable[[], None]] = field(default_factory=list)
    # "before": the next row is not written; "after": it is, but the function does not hear of it.
    fault: str = ""

    # ------------------------------------------------------------------------------- users

    def _next(self) -> str:
        self.count += 1
        return f"{self.count:04X}"

    def put(self, key: str, data: bytes) -> None:
        sequencer = self._next()
        self.versions[key].append(Stored(f"v{sequencer}", data))
        self.events.append(record(key, sequencer, f"v{sequencer}"))

    def delete(self, key: str) -> None:
        sequencer = self._next()
        self.versions[key].append(Stored(f"m{sequencer}", None))
        self.events.append(removed(key, sequencer, f"m{sequencer}", for_ever=False))

    def delete_version(self, key: str, index: int) -> None:
        if self.versions[key]:
            gone = self.versions[key].pop(index % len(self.versions[key]))
            self.events.append(removed(key, self._next(), gone.version_id, for_ever=True))

    def current(self, key: str) -> Stored | None:
        newest = self.versions[key][-1] if self.versions[key] else None
        return newest if newest and newest.data is not None else None

    # ------------------------------------------------------------------------ the function

    def ports(self) -> Ports:
        endpoint = FakeEndpoint(reply=lambda _index: prediction())
        wired = clients.wire(handler.SETTINGS, None, None, endpoint, FakeQueue)
        invoke = wired.predict

        def predict(
            jpegs: Sequence[bytes],
            attempts: int,
            deadline: Deadline,
            on_call: Callable[[float], None],
        ) -> Answer:
            self._pause()
            return invoke(jpegs, attempts, deadline, on_call)

        return replace(
            wired,
            known_rows=lambda keys: {
                key: known(self.rows[key]) for key in keys if key in self.rows
            },
            read_object=self._read,
            current_version=self._current_version,
            predict=predict,
            put_row=self._put_row,
            keep_row=self._keep_row,
            put_thumbnail=lambda upload, _jpeg: self.thumbnails.add(
                thumbnail_key(upload.key, upload.sequencer)
            ),
            delete_thumbnail=lambda key: self.thumbnails.discard(key),
            delete_older_thumbnails=self._delete_older,
        )

    def _pause(self) -> None:
        if self.meanwhile:
            self.meanwhile.pop()()

    def _read(self, upload: Upload) -> bytes:
        for stored in self.versions[upload.key]:
            if stored.version_id == upload.version_id and stored.data is not None:
                return stored.data
        raise ObjectGoneError("no such version")

    def _current_version(self, removal: Upload) -> Upload:
        stored = self.current(removal.key)
        self._pause()
        if stored is None:
            raise PhotoDeletedError("gone")
        return replace(removal, version_id=stored.version_id)

    def _put_row(self, row: Row) -> Written:
        fault, self.fault = self.fault, ""
        if fault == "before":
            raise RetryableError("not written")
        other = known(self.rows.get(row["image_key"], {}))
        done = row["sequencer"] > max(other.sequencer, other.seen_sequencer)
        if done:
            self.rows[row["image_key"]] = row
        if fault == "after":
            raise RetryableError("written, and nobody knows")
        return Written(done, other)

    def _keep_row(self, key: str, found: Known, sequencer: str) -> None:
        row = self.rows.get(key, {})
        if row.get("sequencer") != found.sequencer or sequencer <= row.get("seen_sequencer", ""):
            raise RetryableError("changed meanwhile")
        row["seen_sequencer"] = sequencer

    def _delete_older(self, upload: Upload, sequencer: str) -> None:
        prefix, bound = thumbnails_of(upload.key), thumbnail_key(upload.key, sequencer)
        self.thumbnails -= {
            key for key in self.thumbnails if key.startswith(prefix) and key < bound
        }


def known(row: Mapping[str, str]) -> Known:
    return Known(
        sequencer=row.get("sequencer", ""),
        version_id=row.get("version_id", ""),
        thumbnail=row.get("thumbnail", ""),
        seen_sequencer=row.get("seen_sequencer", ""),
        deleted=row.get("status") == "DELETED",
    )


class AnyOrder(RuleBasedStateMachine):
    """Users, deliveries and faults, as Hypothesis likes them."""

    def __init__(self) -> None:
        super().__init__()
        self.cloud = FakeCloud()
        self.waiting: list[int] = []
        self.told = 0
        self.receives: dict[int, int] = {}
        self.patch = pytest.MonkeyPatch()

    @initialize()
    def install(self) -> None:
        self.patch.setattr(handler, "PORTS", self.cloud.ports())
        self.patch.setattr("time.sleep", lambda _seconds: None)

    @rule(key=st.sampled_from(KEYS), photo=st.sampled_from(PHOTOS))
    def put(self, key: str, photo: bytes) -> None:
        self.cloud.put(key, photo)

    @rule(key=st.sampled_from(KEYS))
    def delete(self, key: str) -> None:
        self.cloud.delete(key)

    @rule(key=st.sampled_from(KEYS), index=st.integers(-2, 3))
    def delete_a_version_or_a_marker_for_ever(self, key: str, index: int) -> None:
        self.cloud.delete_version(key, index)

    @rule(chance=st.randoms(use_true_random=False), fault=st.sampled_from(["", "before", "after"]))
    def deliver_some(self, chance: random.Random, fault: str) -> None:
        self.cloud.fault = fault
        self._deliver(self._some(chance))
        self.cloud.fault = ""

    @rule(
        chance=st.randoms(use_true_random=False),
        key=st.sampled_from(KEYS),
        what=st.sampled_from(["put", "delete", "delete newest", "delete oldest", "nothing"]),
    )
    def deliver_some_while_others_are_in_work(
        self, chance: random.Random, key: str, what: str
    ) -> None:
        def meanwhile() -> None:
            self._change(key, what)
            self._deliver(self._some(chance))

        self.cloud.meanwhile = [meanwhile]
        self._deliver(self._some(chance))
        self.cloud.meanwhile = []

    @rule(
        key=st.sampled_from(KEYS),
        what=st.sampled_from(["put", "delete", "delete newest", "delete oldest"]),
        photo=st.sampled_from(PHOTOS),
    )
    def put_and_change_it_while_it_is_in_work(self, key: str, what: str, photo: bytes) -> None:
        def meanwhile() -> None:
            self._change(key, what)
            before = self.told
            self._hear()
            self._deliver(range(before, self.told))

        self._hear()
        self.cloud.put(key, photo)
        self._hear()
        self.cloud.meanwhile = [meanwhile]
        self._deliver([self.told - 1])
        self.cloud.meanwhile = []

    def _change(self, key: str, what: str) -> None:
        match what:
            case "put":
                self.cloud.put(key, PHOTOS[0])
            case "delete":
                self.cloud.delete(key)
            case "delete newest":
                self.cloud.delete_version(key, -1)
            case "delete oldest":
                self.cloud.delete_version(key, 0)

    def _some(self, chance: random.Random) -> list[int]:
        """Of the events that wait, and of those that were delivered long ago."""
        self._hear()
        chosen = [number for number in self.waiting if chance.random() < 0.6]
        if self.told and chance.random() < 0.4:
            chosen.append(chance.randrange(self.told))
        chance.shuffle(chosen)
        return list(dict.fromkeys(chosen))

    def _hear(self) -> None:
        self.waiting += range(self.told, len(self.cloud.events))
        self.told = len(self.cloud.events)

    def _deliver(self, numbers: Sequence[int]) -> None:
        batch = []
        for number in numbers:
            self.receives[number] = self.receives.get(number, 0) + 1
            batch.append(
                message(
                    self.cloud.events[number],
                    id_=str(number),
                    receive_count=self.receives[number],
                )
            )
        failed = {int(id_) for id_ in deliver(batch)} if batch else set()
        done = set(numbers) - failed
        self.waiting = [number for number in self.waiting if number not in done]
        self.waiting += sorted(failed - set(self.waiting))

    def teardown(self) -> None:
        try:
            self._hear()
            for _ in range(10):
                if not self.waiting:
                    break
                self._deliver(list(self.waiting))
            assert not self.waiting
            self._check()
        finally:
            self.patch.undo()

    def _check(self) -> None:
        named = set()
        for key in KEYS:
            stands, row = self.cloud.current(key), self.cloud.rows.get(key)
            if not any(event["s3"]["object"]["key"] == key for event in self.cloud.events):
                assert row is None
                continue
            assert row is not None
            if stands is None:
                assert row["status"] == "DELETED"
                assert not {"month_shard", "status_month", "confidence_key", "breed"} & row.keys()
                continue
            assert row["version_id"] == stands.version_id
            assert row["status"] == ("CLASSIFIED" if stands.data == PHOTOS[0] else "REJECTED")
            named |= {row["thumbnail"]} if "thumbnail" in row else set()
        assert self.cloud.thumbnails == named


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=250,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
