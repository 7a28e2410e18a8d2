"""A job as it travels through the state machine: what is wanted, how far it is, what was counted.

It is small whatever the number of photos: a place in a sorted listing, and counts.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from lister.errors import RefusedError
from lister.window import Window

Kind = Literal["photos", "rows"]
Waiting = Literal["", "window", "queue", "pace"]
PHOTOS: Kind = "photos"
ROWS: Kind = "rows"

# Where the next read begins: after a key of the bucket, or a partition and the key of a row in it.
Place = dict[str, Any]


@dataclass(frozen=True)
class Filter:
    """Which rows are to be answered again. Times are ISO 8601 in UTC, as rows have them.

    `model_version` is the model that serves now: its own rows need nothing. `before` is always
    set, to the start of the job at the latest.
    """

    model_version: str
    before: str
    since: str = ""
    breed: str = ""
    below: str = ""


@dataclass(frozen=True)
class Counts:
    """`seen` objects or rows; of those `known` need no answer, and `sent` are messages.

    `unreadable` ones want an answer, and are in a bucket that the stack may not read. `reads` are
    pages of the listing. A turn that was repeated is counted once.
    """

    seen: int = 0
    known: int = 0
    sent: int = 0
    reads: int = 0
    unreadable: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.seen + other.seen,
            self.known + other.known,
            self.sent + other.sent,
            self.reads + other.reads,
            self.unreadable + other.unreadable,
        )


@dataclass(frozen=True)
class Job:
    """The state of the loop. `part` counts the executions that it has taken, `turns` is this one's.

    `next` is what the state machine does: another turn at once, in `wait_s` seconds, as a new
    execution (`renew`), or none.
    """

    job: str
    kind: Kind
    bucket: str = ""
    prefix: str = ""
    filter: Filter | None = None
    window: str = ""
    # At most so many photos a second; 0: as fast as they are answered.
    pace: float = 0
    place: Place | None = None
    counts: Counts = Counts()
    part: int = 1
    turns: int = 0
    next: Literal["turn", "wait", "renew", "done"] = "turn"
    wait_s: int = 0
    waits_for: Waiting = ""
    # For who looks at it: when it was started (ISO 8601, UTC), and what the dry run counted.
    started: str = ""
    expected: int = 0

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Job":
        """Raises RefusedError."""
        known = {each.name for each in fields(cls)}
        try:
            values = {name: value for name, value in content.items() if name in known}
            if values.get("filter") is not None:
                values["filter"] = Filter(**values["filter"])
            values["counts"] = Counts(**values.get("counts", {}))
            job = cls(**values)
        except (TypeError, AttributeError) as error:
            raise RefusedError(f"this is no job: {error}") from error
        if job.kind not in (PHOTOS, ROWS):
            raise RefusedError(f"this is no job: its kind is {job.kind}")
        if not isinstance(job.pace, (int, float)) or job.pace < 0:
            raise RefusedError(f"this is no job: its pace is {job.pace}")
        if not (job.bucket if job.kind == PHOTOS else job.filter):
            raise RefusedError("this is no job: it says neither which bucket nor which rows")
        return job

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def waiting(self, seconds: int, what: Waiting) -> "Job":
        return replace(self, next="wait", wait_s=seconds, waits_for=what)

    @property
    def hours(self) -> Window | None:
        """Raises RefusedError."""
        try:
            return Window.parse(self.window) if self.window else None
        except ValueError as error:
            raise RefusedError(str(error)) from error
