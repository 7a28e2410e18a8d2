"""What a person says about one version of a photo: appended, never overwritten.

The row shows what stands. `last_review` on the row is the id of the newest entry of its history,
and every change is made on condition that it is still the one that was looked at: of two at once,
one looks again and comes behind.

A photo may be answered again by another model. What stands was then said of the answer before, and
holds that as its `answer`: it counts for that model, and is shown as what it means beside the new
one.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from api.months import stamp
from api.people import Caller
from api.problems import FieldError, ProblemError, no_row, unavailable

Row = dict[str, Any]

REVIEWABLE = ("CLASSIFIED", "UNKNOWN_BREED", "NO_DOG")
MAX_TRIES = 8
TALLY_SHARDS = 8
_SHOWN = ("id", "verdict", "breed", "undoes", "by", "at", "version")


class Verdict(StrEnum):
    RIGHT = "RIGHT"
    WRONG_BREED = "WRONG_BREED"
    NEW_BREED = "NEW_BREED"
    NO_DOG = "NO_DOG"
    UNSURE = "UNSURE"
    UNDONE = "UNDONE"


NAMING = (Verdict.WRONG_BREED, Verdict.NEW_BREED)


def version_of(row: Row) -> str:
    """Which answer to which upload it is: no word may land on one that its author has not seen."""
    answered = row.get("answered")
    return row["sequencer"] if answered is None else f"{row['sequencer']}.{answered}"


class Outcome(StrEnum):
    WRITTEN = "WRITTEN"
    CHANGED = "CHANGED"  # the row is not as it was when it was read
    BUSY = "BUSY"  # another transaction was at it


@dataclass(frozen=True)
class Said:
    version: str
    verdict: Verdict
    breed: str | None = None
    undoes: str | None = None


@dataclass(frozen=True)
class Change:
    """One transaction: an entry of the history, what stands by now, and the counts' differences."""

    row: Row
    entry: Row
    standing: Row | None
    tally: Mapping[str, int]

    def changed_row(self) -> Row:
        row = {name: value for name, value in self.row.items() if name not in WRITTEN}
        row |= {"last_review": self.entry["review_id"]}
        month = row.get("month_shard", "")[:7]
        if self.standing is not None:
            at = self.standing["at"]
            row |= {"review": self.standing, "reviewed_in": at[:7], "reviewed_at": at}
        elif row.get("sample") and month:
            row["sample_key"] = f"open#{month}"
        _state, found, rest = self.row.get("confidence_key", "").partition("#")
        if found:
            row["confidence_key"] = f"{'done' if self.standing else 'open'}#{rest}"
        return row


# The attributes of a row that a review changes; all others are the classify function's.
WRITTEN = ("review", "reviewed_in", "reviewed_at", "last_review", "confidence_key", "sample_key")


@dataclass(frozen=True)
class Ports:
    read_row: Callable[[str], Row | None]
    # Entries of one key, the newest first, read consistently.
    history: Callable[[str], Iterable[Row]]
    write: Callable[[Change], Outcome]
    knows_breed: Callable[[str], bool]
    now: Callable[[], datetime]
    pause: Callable[[int], None]


def review(key: str, said: Said, caller: Caller, ports: Ports, shown: Callable[[Row], Any]) -> Row:
    """The row as it stands after it. Raises ProblemError.

    `shown` makes of a row what the caller may see of it, for the answer to a version that is gone.
    """
    for attempt in range(MAX_TRIES):
        if attempt:
            ports.pause(attempt)
        row = _reviewable(ports.read_row(key), said, shown)
        change = _undoing(row, said, caller, ports) if said.verdict is Verdict.UNDONE else None
        if said.verdict is not Verdict.UNDONE:
            change = _adding(row, said, caller, ports)
        if change is None:
            return row
        if ports.write(change) is Outcome.WRITTEN:
            return change.changed_row()
    raise unavailable("Too many people are at work on this photo.")


def _reviewable(row: Row | None, said: Said, shown: Callable[[Row], Any]) -> Row:
    if row is None:
        raise no_row()
    if row["status"] == "DELETED":
        raise ProblemError(409, "The photo was deleted: there is nothing left to review.")
    if version_of(row) != said.version:
        replaced = row["sequencer"] != said.version.partition(".")[0]
        happened = "replaced" if replaced else "answered again"
        raise ProblemError(
            412,
            f"The photo was {happened} meanwhile: look at what is there now.",
            more={"current": shown(row)},
        )
    if row["status"] not in REVIEWABLE:
        raise ProblemError(
            409, "The photo was rejected: the model said nothing that could be right."
        )
    return row


def _adding(row: Row, said: Said, caller: Caller, ports: Ports) -> Change | None:
    standing = row.get("review")
    if standing and standing["by_id"] == caller.id:
        stands = said_now(row, standing)
        if (stands["verdict"], stands.get("breed")) == (said.verdict, said.breed):
            return None
    if said.breed:
        _check_breed(row, said.verdict, said.breed, ports.knows_breed)
    entry = _entry(row, said, caller, ports.now())
    return Change(row, entry, _standing(row, entry), tally(row, standing, _standing(row, entry)))


def _check_breed(
    row: Row, verdict: Verdict, breed: str, knows_breed: Callable[[str], bool]
) -> None:
    """Raises ProblemError for a verdict that does not fit what the model knows."""
    unknown = row["status"] == "UNKNOWN_BREED"
    if verdict is Verdict.NEW_BREED and not unknown:
        return
    if verdict is Verdict.WRONG_BREED and breed == row.get("breed"):
        raise _other_verdict("That is what the model said", Verdict.RIGHT)
    knows = breed in {guess["label"] for guess in row.get("top", ())} or knows_breed(breed)
    if verdict is Verdict.WRONG_BREED and not knows:
        raise _other_verdict("The model knows no such breed", Verdict.NEW_BREED)
    if verdict is Verdict.NEW_BREED and knows:
        # It would count as right that the model has not known one of its own breeds.
        raise _other_verdict("The model knows this breed", Verdict.WRONG_BREED)


def _other_verdict(why: str, verdict: Verdict) -> ProblemError:
    words = f"the verdict for that is {verdict}"
    return ProblemError(409, f"{why}: {words}.", [FieldError("breed", words)])


def _undoing(row: Row, said: Said, caller: Caller, ports: Ports) -> Change | None:
    """None when the named review is taken back already."""
    undone: set[str] = set()
    target: Row | None = None
    standing: Row | None = None
    for entry in ports.history(row["image_key"]):
        if entry["version"] != row["sequencer"] or entry["review_id"] > row.get("last_review", ""):
            continue
        if entry["verdict"] == Verdict.UNDONE:
            undone.add(entry["undoes"])
            continue
        is_own = entry["by_id"] == caller.id
        if is_own and entry["review_id"] in undone and entry["review_id"] == said.undoes:
            return None
        if entry["review_id"] in undone:
            continue
        if target is None and is_own and said.undoes in (None, entry["review_id"]):
            target = entry
        elif standing is None:
            standing = entry
        if target is not None and standing is not None:
            break
    if target is None:
        raise ProblemError(409, "There is no review of yours on this photo to take back.")
    undo = replace(said, undoes=target["review_id"])
    entry = _entry(row, undo, caller, ports.now())
    left = _standing(row, standing) if standing else None
    return Change(row, entry, left, tally(row, row.get("review"), left))


def _entry(row: Row, said: Said, caller: Caller, now: datetime) -> Row:
    """An item of the reviews table. Its id sorts behind all that are there, whatever the clocks."""
    last = row.get("last_review", "")[:27]
    at = stamp(now)
    if at <= last:
        at = stamp(datetime.fromisoformat(last) + timedelta(microseconds=1))
    entry: Row = {
        "image_key": row["image_key"],
        "review_id": f"{at}#{secrets.token_hex(4)}",
        "version": row["sequencer"],
        "verdict": str(said.verdict),
        "by": caller.name,
        "by_id": caller.id,
        "at": at,
        # What the model said, for whoever trains on this once the row is another's.
        "answer": {
            name: row[name]
            for name in ("status", "breed", "confidence", "novelty", "model_version")
            if name in row
        },
    }
    optional = {"breed": said.breed, "undoes": said.undoes, "version_id": row.get("version_id")}
    return entry | {name: value for name, value in optional.items() if value is not None}


def _standing(row: Row, entry: Row) -> Row:
    """What of an entry is kept on the row; of which answer it was, if that was another one."""
    kept = ["verdict", "breed", "by", "by_id", "at", "version"]
    if entry.get("answer", {}).get("model_version") != row.get("model_version"):
        kept.append("answer")
    return {"id": entry["review_id"]} | {name: entry[name] for name in kept if name in entry}


def said_now(row: Row, standing: Row) -> Row:
    """What was said of an answer before, as the verdict that it is on the one of the row."""
    of = standing.get("answer")
    if of is None:
        return standing
    verdict, breed = standing["verdict"], standing.get("breed")
    if verdict == Verdict.RIGHT:
        # That it was none of the breeds of then says nothing about a model that knows others.
        meant = {"CLASSIFIED": Verdict.WRONG_BREED, "NO_DOG": Verdict.NO_DOG}
        verdict, breed = meant.get(of["status"], Verdict.UNSURE), of.get("breed")
        if of["status"] == row["status"] == "UNKNOWN_BREED":
            verdict = Verdict.RIGHT
    if breed is not None and breed == row.get("breed"):
        verdict = Verdict.RIGHT
    now = {name: value for name, value in standing.items() if name not in ("verdict", "breed")}
    now["verdict"] = str(verdict)
    if breed is not None and verdict in NAMING:
        now["breed"] = breed
    return now


def tally(row: Row, before: Row | None, after: Row | None) -> dict[str, int]:
    """By how much the counts change when one word stands instead of another."""
    difference: dict[str, int] = {}
    for sign, standing in ((-1, before), (1, after)):
        if standing is None:
            continue
        names = ["reviewed"]
        if row.get("sample") and standing["verdict"] != Verdict.UNSURE:
            of = standing.get("answer", row)
            told = ["sample", "right"] if _is_right(of, standing) else ["sample"]
            # Of all models, and of the one that gave this answer.
            names += [*told, *(f"{name}@{of['model_version']}" for name in told)]
        if standing["verdict"] == Verdict.NEW_BREED:
            names.append(f"new:{standing['breed']}")
        for name in names:
            difference[name] = difference.get(name, 0) + sign
    return {name: count for name, count in difference.items() if count}


def _is_right(answer: Row, standing: Row) -> bool:
    """Whether the model said so too. Of an unknown breed it is none of those that it knows."""
    same = (answer["status"], standing["verdict"]) in {
        ("NO_DOG", Verdict.NO_DOG),
        ("UNKNOWN_BREED", Verdict.NEW_BREED),
    }
    return same or standing["verdict"] == Verdict.RIGHT


def shown_review(entry: Row) -> Row:
    """An entry of the history, or what stands on a row, as the API shows it."""
    named = entry | ({"id": entry["review_id"]} if "review_id" in entry else {})
    return {name: named[name] for name in _SHOWN if name in named}
