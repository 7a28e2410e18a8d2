"""What people's reviews say about a photo, once: the word that stands, and who said otherwise.

Takes items of the tables as they are (`page.tables`, schemas/row.json): a history that is only
appended to, and the rows. Whatever their order, the same items give the same words.
"""

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Item = Mapping[str, Any]
Queue = Literal["sample", "chosen"]

# The classify function marks one photo in so many, by chance: see was_sampled.
SAMPLED_ONE_IN = 20


@dataclass(frozen=True)
class Word:
    """One entry of the history, in words of a data set. `breed` is what the photo shows by it."""

    review_id: str
    verdict: str
    breed: str | None
    by: str
    by_id: str
    at: str

    @property
    def said(self) -> tuple[str, str]:
        """What is compared between people: a breed, however the model was judged, or a verdict."""
        return ("breed", breed_key(self.breed)) if self.breed else ("verdict", self.verdict)


@dataclass(frozen=True)
class Opinion:
    """What stands for one version of a photo.

    `others` are the standing words of other people who say something else. `first` is the id of the
    history's first entry: later reviews never change it. `etag` is known where the row still is of
    this version.
    """

    key: str
    version: str  # the sequencer
    version_id: str | None
    etag: str | None
    word: Word
    others: tuple[Word, ...]
    queue: Queue
    first: str
    deleted: bool  # its owner has deleted the photo since


def opinions(reviews: Iterable[Item], rows: Iterable[Item]) -> list[Opinion]:
    """One for each version of a photo that a word stands for, sorted by key and version."""
    histories: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for entry in reviews:
        histories[entry["image_key"], entry["version"]].append(entry)
    keys = {key for key, _ in histories}
    by_key = {row["image_key"]: row for row in rows if row["image_key"] in keys}
    found = []
    for (key, version), entries in sorted(histories.items()):
        opinion = _opinion(key, version, entries, by_key.get(key))
        if opinion is not None:
            found.append(opinion)
    return found


def _opinion(key: str, version: str, entries: list[Item], row: Item | None) -> Opinion | None:
    entries = sorted(entries, key=lambda entry: str(entry["review_id"]))
    undone = {entry["undoes"] for entry in entries if entry["verdict"] == "UNDONE"}
    standing = [
        entry
        for entry in entries
        if entry["verdict"] != "UNDONE" and entry["review_id"] not in undone
    ]
    if not standing:
        return None
    last = {entry["by_id"]: _word(entry) for entry in standing}  # each person's last word
    word = _word(standing[-1])
    differing = [
        other
        for other in last.values()
        if other.said != word.said and "UNSURE" not in (other.verdict, word.verdict)
    ]
    is_row = row is not None and row["sequencer"] == version
    sampled = bool(row.get("sample")) if row and is_row else was_sampled(key, version)
    return Opinion(
        key=key,
        version=version,
        version_id=standing[-1].get("version_id"),
        etag=row.get("etag") if row and is_row else None,
        word=word,
        others=tuple(sorted(differing, key=lambda other: other.review_id)),
        queue="sample" if sampled else "chosen",
        first=entries[0]["review_id"],
        deleted=row is not None and row["status"] == "DELETED",
    )


def _word(entry: Item) -> Word:
    verdict = entry["verdict"]
    answer = entry.get("answer", {})
    breed = entry.get("breed")
    if verdict == "RIGHT":
        verdict, breed = _confirmed(answer)
    return Word(
        review_id=entry["review_id"],
        verdict=verdict,
        breed=tidy(breed) if breed else None,
        by=entry["by"],
        by_id=entry["by_id"],
        at=entry["at"],
    )


def _confirmed(answer: Item) -> tuple[str, str | None]:
    """What it is that somebody called right."""
    status = answer.get("status")
    if status == "CLASSIFIED":
        return "RIGHT", answer["breed"]
    return ("NO_DOG", None) if status == "NO_DOG" else ("RIGHT", None)


def was_sampled(key: str, sequencer: str) -> bool:
    """Whether the photo is in the random sample, where its row is no more: by the same chance."""
    digest = hashlib.sha256(f"{sequencer} {key}".encode()).hexdigest()
    return int(digest[:16], 16) % SAMPLED_ONE_IN == 0


def tidy(breed: str) -> str:
    """A breed as a class's label is written: no underscores, one space at a time, composed."""
    return " ".join(unicodedata.normalize("NFC", breed).replace("_", " ").split())


def breed_key(breed: str) -> str:
    """What two spellings of one breed have in common."""
    return unicodedata.normalize("NFC", tidy(breed).casefold())
