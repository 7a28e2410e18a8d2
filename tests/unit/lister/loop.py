"""The loop of backfill/template.yaml, run in this process around a lister of fakes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from lister.core import Limits, Page, Ports, turn
from lister.errors import AgainError
from lister.job import PHOTOS, Job
from lister.messages import Photo

from tests.unit.template.cloudformation import ROOT, parse

State = dict[str, Any]
START = datetime(2026, 11, 26, 12, tzinfo=UTC)


@cache
def definition() -> dict[str, Any]:
    """The state machine as the template writes it."""
    template = parse((ROOT / "backfill" / "template.yaml").read_text())
    found: dict[str, Any] = template["Resources"]["Machine"]["Properties"]["Definition"]
    return found


@dataclass
class FakeLane:
    """A bucket of objects, some of them answered, and a queue that somebody empties."""

    keys: list[str]
    answered: set[str] = field(default_factory=set)
    page_size: int = 3
    most_waiting: int = 6
    # Of each call of the lister's, whether it breaks: "before", "after" its effect, or not.
    faults: Iterator[str] = field(default_factory=lambda: iter(()))
    drains: int = 2
    sent: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    most_seen: int = 0
    now: datetime = START
    turns: int = 0

    def limits(self) -> Limits:
        return Limits(self.page_size, self.most_waiting, 15)

    def ports(self) -> Ports:
        return Ports(
            waiting=lambda: self._maybe(lambda: len(self.waiting)),
            read=lambda job, size: self._maybe(lambda: self._read(job, size)),
            send=lambda photos, _job: self._maybe(lambda: self._send(photos)),
        )

    def _maybe(self, effect: Callable[[], Any]) -> Any:
        fault = next(self.faults, "")
        if fault == "before":
            raise AgainError("a fault before")
        result = effect()
        if fault == "after":
            raise AgainError("a fault after")
        return result

    def _read(self, job: Job, size: int) -> Page:
        after = job.place["after"] if job.place else ""
        left = [key for key in sorted(self.keys) if key > after]
        page = left[:size]
        new = [Photo(job.bucket, key, 1, "e", "0") for key in page if key not in self.answered]
        more = len(left) > len(page)
        return Page(len(page), new, {"after": page[-1]} if more else None)

    def _send(self, photos: Any) -> None:
        self.sent += [photo.key for photo in photos]
        self.waiting += [photo.key for photo in photos]
        self.most_seen = max(self.most_seen, len(self.waiting))

    def drain(self, count: int) -> None:
        """The function answers some messages; one that was answered before costs nothing."""
        self.answered.update(self.waiting[:count])
        del self.waiting[:count]

    def take_turn(self, state: State) -> State:
        self.turns += 1
        job = Job.from_json(json.loads(json.dumps(state)))
        after = turn(job, self.ports(), self.limits(), self.now, lambda: True)
        return dict(json.loads(json.dumps(after.to_json())))


def run(lane: FakeLane, state: State, most_steps: int = 2000) -> Iterator[State]:
    """Walks the states; yields what travels after each whole turn. Ends where the loop ends."""
    states, name = definition()["States"], definition()["StartAt"]
    for _ in range(most_steps):
        here = states[name]
        match here["Type"]:
            case "Succeed":
                return
            case "Choice":
                chosen = [
                    c["Next"]
                    for c in here["Choices"]
                    if state[c["Variable"].removeprefix("$.")] == c["StringEquals"]
                ]
                name = chosen[0] if chosen else here["Default"]
            case "Wait":
                lane.now += timedelta(seconds=state[here["SecondsPath"].removeprefix("$.")])
                lane.drain(lane.drains)
                name = here["Next"]
            case "Task" if "lambda:invoke" in here["Resource"]:
                try:
                    state = lane.take_turn(state)
                except AgainError:
                    continue  # Retry
                yield state
                name = here["Next"]
            case "Task":
                # A new execution with what travels as its input.
                name = definition()["StartAt"]
    raise AssertionError(f"the loop has not ended after {most_steps} steps")


def photos_job(**more: Any) -> State:
    return Job("photos-1", PHOTOS, bucket="b", started="2026-11-26", **more).to_json()
