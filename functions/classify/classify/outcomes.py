"""How uploads end, and the report of a whole batch."""

from dataclasses import dataclass, field
from enum import StrEnum

from classify.events import Upload


class OutcomeKind(StrEnum):
    CLASSIFIED = "CLASSIFIED"
    UNKNOWN_BREED = "UNKNOWN_BREED"
    NO_DOG = "NO_DOG"
    REJECTED = "REJECTED"
    DELETED = "DELETED"
    ALREADY_ANSWERED = "ALREADY_ANSWERED"
    OBJECT_GONE = "OBJECT_GONE"
    RETRY = "RETRY"


@dataclass(frozen=True)
class Outcome:
    """`error` says why, for REJECTED, OBJECT_GONE and RETRY."""

    kind: OutcomeKind
    error: BaseException | None = None


@dataclass
class Report:
    """How each upload ended, and where the time went (stage -> milliseconds).

    `thumbnails_left`: those that were not written, or not deleted, and why.
    """

    outcomes: dict[Upload, Outcome] = field(default_factory=dict)
    stage_ms: dict[str, float] = field(default_factory=dict)
    endpoint_ms: list[float] = field(default_factory=list)
    thumbnails_left: dict[str, str] = field(default_factory=dict)
