"""Which reviewed photos may join a data set, and under which label; what is left out, and why."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from training.data.entries import Json, conflict, left_out
from training.data.reviews import Opinion, breed_key

# The class for photos of no dog, where a base has one.
NO_DOG_LABELS = ("no dog", "not a dog")
_MAX_FOLDER_BYTES = 200  # file systems end at 255


@dataclass(frozen=True)
class Photo:
    """A file that was looked at: see training.data.inspection."""

    path: Path
    sha256: str
    prints: tuple[bytes, bytes] | None = None


class Reviewed(NamedTuple):
    """A review with its photo. Without a photo, `code` and `problem` say why there is none."""

    opinion: Opinion
    photo: Photo | None
    suffix: str = ".jpg"
    code: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Candidate:
    """One photo that people gave a breed: the opinion that counts, and those on copies of it."""

    opinion: Opinion
    photo: Photo
    suffix: str
    label: str
    copies: tuple[Opinion, ...]
    queue: str
    first: str


def candidates(
    reviewed: Sequence[Reviewed], breeds: Mapping[str, str]
) -> tuple[list[Candidate], list[Json], list[Json]]:
    """Photos with a breed, each content once; what is left out before; conflicts of people."""
    left: list[Json] = []
    conflicts: list[Json] = []
    usable: list[Reviewed] = []
    no_dog = next((breeds[name] for name in NO_DOG_LABELS if name in breeds), None)
    for each in reviewed:
        opinion = each.opinion
        if opinion.others:
            conflicts.append(conflict(opinion, opinion.others))
        reason = _reason(each, no_dog)
        if reason is not None:
            sha256 = each.photo.sha256 if each.photo else None
            left.append(left_out(opinion, *reason, sha256))
        else:
            usable.append(each)
    spelled = _spellings(usable, breeds)
    same: dict[str, list[Reviewed]] = defaultdict(list)
    for each in usable:
        if each.photo is not None:
            same[each.photo.sha256].append(each)
    found = []
    for sha256, group in sorted(same.items()):
        group.sort(key=lambda one: (one.opinion.word.review_id, one.opinion.key))
        *earlier, last = group
        label = no_dog if last.opinion.word.breed is None else spelled[_key(last.opinion)]
        if label is None or last.photo is None:
            raise AssertionError("without a breed or a photo it was left out above")
        for each in earlier:
            why = f"the same file as {last.opinion.key}, which was reviewed later"
            left.append(left_out(each.opinion, "COPY", why, sha256))
        differing = [
            each.opinion.word
            for each in earlier
            if each.opinion.word.said != last.opinion.word.said
        ]
        if differing:
            conflicts.append(conflict(last.opinion, differing))
        queues = {each.opinion.queue for each in group}
        found.append(
            Candidate(
                last.opinion, last.photo, last.suffix, label,
                copies=tuple(each.opinion for each in earlier),
                queue="sample" if "sample" in queues else "chosen",
                first=min(each.opinion.first for each in group),
            )
        )  # fmt: skip
    return found, left, conflicts


def _reason(each: Reviewed, no_dog: str | None) -> tuple[str, str] | None:
    """Why a review gives no photo, whatever else there is; None where it may."""
    word = each.opinion.word
    if each.opinion.deleted:
        return "DELETED", "the photo was deleted from the bucket"
    if word.verdict == "UNSURE":
        return "UNSURE", f"{word.by} is unsure"
    if word.verdict == "NO_DOG":
        if no_dog is None:
            return "NO_DOG", "no dog, and the data set has no class for that"
    elif word.breed is None:
        return "NO_BREED", "confirmed as a breed that the model does not know; nobody named it"
    elif (fault := _name_fault(word.breed)) is not None:
        return "NAME", f"the breed {word.breed!r} {fault}: review it again with another name"
    if each.photo is None:
        return each.code, each.problem
    return None


def _name_fault(breed: str) -> str | None:
    """Why a breed that somebody typed cannot be a class folder."""
    if "/" in breed or "\\" in breed or breed.startswith("."):
        return "has a slash in it, or begins with a full stop"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in breed):
        return "has control characters in it"
    if len(breed.encode()) > _MAX_FOLDER_BYTES:
        return f"is longer than {_MAX_FOLDER_BYTES} bytes"
    return None


def _spellings(usable: Iterable[Reviewed], breeds: Mapping[str, str]) -> dict[str, str]:
    """Each breed's label: the one that it has already, or how most people spell it."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for each in usable:
        if each.opinion.word.breed is not None:
            seen[_key(each.opinion)][each.opinion.word.breed] += 1
    fresh = {
        key: min(counts, key=lambda text: (-counts[text], text)) for key, counts in seen.items()
    }
    return fresh | dict(breeds)


def _key(opinion: Opinion) -> str:
    return breed_key(opinion.word.breed or "")
