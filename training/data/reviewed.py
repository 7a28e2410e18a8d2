"""A new version of a data set, from a base and people's reviews: what is in it, and why not.

    plan = make_version(base, reviewed, previous, Rules())
    plan.manifest             # dataset.json: schemas/dataset.json
    plan.files                # "<split or audit>/<class folder>/<file>" -> where its bytes are

Pure: no clock, no chance, no network. The same photos and reviews, in any order, give the same
manifest byte for byte, and its version is its own hash.

The rules:
    split       a reviewed photo's is decided by its sha256, and what `previous` decided stands, for
                every photo: it never moves, whatever is added later
    audit       a photo of the random sample goes there, never into train, valid or test
    latest      of several words on one photo the latest that stands counts; others are kept as
                conflicts
    the base    its labels stand: whoever disagrees is kept as a conflict
    near-copy   a photo that looks like another of the set (training.data.fingerprint) is refused.
                Photos of the previous version come first, then those that were reviewed first
    new breed   a breed that the base lacks becomes a class once it has Rules.new_class_at photos
                outside audit, one of them in train
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from training.data.candidates import Candidate, Photo, Reviewed, candidates
from training.data.dataset import set_hash
from training.data.entries import Json, base_entry, conflict, left_out, reviewed_entry
from training.data.errors import DataError
from training.data.fingerprint import BITS, MAX_DISTANCE, as_array, nearest
from training.data.folders import AUDIT, SPLITS, labels_of
from training.data.manifest import SCHEMA, version_of
from training.data.reviews import breed_key
from training.data.splitting import DEFAULT_FRACTIONS, Fractions, check_fractions


@dataclass(frozen=True)
class Rules:
    """`new_class_at`: photos that a breed added by people needs; `fractions` of reviewed photos."""

    new_class_at: int = 10
    fractions: Fractions = DEFAULT_FRACTIONS


class BasePhoto(NamedTuple):
    """`name` is "<split>/<class folder>/<file>", as in DataSet.names."""

    name: str
    label: str
    photo: Photo


@dataclass(frozen=True)
class Plan:
    """What a version holds. `manifest` has its version; `files` where each photo's bytes are."""

    manifest: Json
    files: dict[str, Path]

    @property
    def version(self) -> str:
        version: str = self.manifest["version"]
        return version


class _Known:
    """Fingerprints of what is in the set so far, and the names of their photos."""

    def __init__(self, room: int) -> None:
        self._prints = np.zeros((room, BITS // 64), dtype=np.uint64)
        self._mirrored = np.zeros_like(self._prints)
        self._names: list[str] = []

    def add(self, name: str, photo: Photo) -> None:
        if photo.prints is not None:
            row = len(self._names)
            self._prints[row], self._mirrored[row] = (as_array([one])[0] for one in photo.prints)
            self._names.append(name)

    def near(self, photo: Photo) -> tuple[str, int] | None:
        """The closest photo's name and its distance, where that is a near-copy's."""
        count = len(self._names)
        if photo.prints is None or not count:
            return None
        row, distance = nearest(photo.prints[0], self._prints[:count], self._mirrored[:count])
        return (self._names[row], distance) if distance <= MAX_DISTANCE else None


def make_version(
    base: Iterable[BasePhoto],
    reviewed: Iterable[Reviewed],
    previous: Mapping[str, Any] | None = None,
    rules: Rules = Rules(),
    advance: Callable[[], None] = lambda: None,
) -> Plan:
    """Decide on every photo; `advance` is called after each review's.

    `previous` is the manifest of the version before, if there is one. Raises DataError where the
    labels cannot be class folders, or the fractions are none.
    """
    check_fractions(rules.fractions)
    decided = _decided(previous or {})
    base = sorted(base)
    reviewed = sorted(reviewed, key=lambda each: (each.opinion.key, each.opinion.version))
    photos, files = _of_base(base, decided)
    breeds = {breed_key(label): label for label in (previous or {}).get("classes", ())}
    own = {breed_key(each.label): each.label for each in base}
    chosen, left, conflicts = candidates(reviewed, breeds | own)

    sorting = _sort(chosen, photos, files, decided, rules, advance)
    left += sorting.left
    conflicts += sorting.conflicts

    classes = _classes(own.values(), sorting.taken, rules)
    _check_labels(classes)
    for one, split in sorting.taken:
        if one.label not in classes:
            why = f"{one.label} is no class yet: {_waiting(one.label, sorting.taken, rules)}"
            left.append(left_out(one.opinion, "NEW_BREED", why, one.photo.sha256))
            continue
        name = _name(split, one)
        photos.append(
            reviewed_entry(name, one.photo.sha256, one.label, one.queue, one.first, one.opinion)
        )
        files[name] = one.photo
    content: Json = {
        "schema": SCHEMA,
        "base": {
            "hash": set_hash({each.name: each.photo.sha256 for each in base}),
            "photos": len(base),
        },
        "rules": {"new_class_at": rules.new_class_at, "fractions": list(rules.fractions)},
        "classes": sorted(classes),
        "photos": sorted(photos, key=lambda each: str(each["name"])),
        "left_out": sorted(left, key=lambda each: (each["key"], each["sequencer"])),
        "conflicts": sorted(conflicts, key=lambda each: (each["key"], each["sequencer"])),
    }
    return Plan(
        {"version": version_of(content), **content},
        {name: photo.path for name, photo in sorted(files.items())},
    )


@dataclass(frozen=True)
class _Sorting:
    """What becomes of candidates: taken, each into a split, or left out."""

    taken: list[tuple[Candidate, str]]
    left: list[Json]
    conflicts: list[Json]


def _sort(
    chosen: Iterable[Candidate],
    base: Iterable[Json],
    files: Mapping[str, Photo],
    decided: Mapping[str, set[str]],
    rules: Rules,
    advance: Callable[[], None],
) -> _Sorting:
    """`base` and `files` are the base's photos. Those of the version before come first."""
    in_order = sorted(chosen, key=lambda c: (c.photo.sha256 not in decided, _order(c)))
    labels: dict[str, tuple[str, str]] = {}  # of the base: sha256 -> name, label
    for each in base:
        labels.setdefault(each["sha256"], (each["name"], each["label"]))
    known = _Known(len(files) + len(in_order))
    for name, photo in files.items():
        known.add(name, photo)
    sorting, refused = _Sorting([], [], []), []
    for one in in_order:
        advance()
        sha256 = one.photo.sha256
        if sha256 in labels:
            _leave_to_the_base(sorting, one, *labels[sha256])
        elif known.near(one.photo) is not None:
            refused.append(one)
        else:
            split = min(decided[sha256]) if sha256 in decided else _split_of(one, rules.fractions)
            known.add(_name(split, one), one.photo)
            sorting.taken.append((one, split))
    sorting.left.extend(_near_copies(refused, files, sorting.taken))
    return sorting


def _leave_to_the_base(sorting: _Sorting, one: Candidate, name: str, label: str) -> None:
    """A file that the base has is left out; where the labels differ, that is a conflict, too."""
    sha256 = one.photo.sha256
    if label == one.label:
        why = f"the same file as {name}"
        sorting.left.append(left_out(one.opinion, "COPY", why, sha256, name))
        return
    why = f"the base has this file as {label}: {name}. Move it there if people are right"
    sorting.left.append(left_out(one.opinion, "BASE_SAYS_OTHERWISE", why, sha256, name))
    sorting.conflicts.append(conflict(one.opinion, (one.opinion.word,), label))


def folder_of(label: str) -> str:
    """A class's folder in a made version: without an index, which a new class would break."""
    return label.replace(" ", "_")


def _decided(previous: Mapping[str, Any]) -> dict[str, set[str]]:
    """Each photo's split in the version before, by sha256; a base may have a file in several."""
    decided: dict[str, set[str]] = defaultdict(set)
    for each in previous.get("photos", ()):
        decided[each["sha256"]].add(each["name"].partition("/")[0])
    return dict(decided)


def _near_copies(
    refused: Sequence[Candidate],
    files: Mapping[str, Photo],
    taken: Iterable[tuple[Candidate, str]],
) -> list[Json]:
    """Each refused photo with the closest of all that are in, in whichever order they came in."""
    all_in = {**files, **{_name(split, one): one.photo for one, split in taken}}
    known = _Known(len(all_in))
    for name, photo in sorted(all_in.items()):
        known.add(name, photo)
    left = []
    for one in refused:
        near = known.near(one.photo)
        if near is None:
            raise AssertionError("what it was refused for is still in")
        why = f"nearly the same picture as {near[0]}, {near[1]} of {BITS} bits apart"
        left.append(left_out(one.opinion, "NEAR_COPY", why, one.photo.sha256, near[0]))
    return left


def _of_base(
    base: Sequence[BasePhoto], decided: Mapping[str, set[str]]
) -> tuple[list[Json], dict[str, Photo]]:
    """The base's photos, each in its own split or the one that an earlier version chose."""
    photos: list[Json] = []
    files: dict[str, Photo] = {}
    for each in base:
        sha256 = each.photo.sha256
        split, _, rest = each.name.split("/", 2)
        chosen = decided.get(sha256, {split})
        place = f"{split if split in chosen else min(chosen)}/{folder_of(each.label)}"
        name = f"{place}/{rest}"
        if name in files:  # another one of that name, moved here from its split
            name = f"{place}/{sha256[:16]}-{rest.replace('/', '-')}"
        files[name] = each.photo
        photos.append(base_entry(name, sha256, each.label))
    return photos, files


def _order(candidate: Candidate) -> tuple[str, str]:
    return candidate.first, candidate.photo.sha256


def _split_of(candidate: Candidate, fractions: Fractions) -> str:
    if candidate.queue == "sample":
        return AUDIT
    share = int(candidate.photo.sha256[:13], 16) / 16**13
    train, valid, _ = fractions
    return SPLITS[0] if share < train else SPLITS[1] if share < train + valid else SPLITS[2]


def _classes(
    own: Iterable[str], taken: Sequence[tuple[Candidate, str]], rules: Rules
) -> frozenset[str]:
    """The base's, and the breeds that have become one."""
    trained = {one.label for one, split in taken if split == "train"}
    counts = _counts(taken)
    grown = {label for label in trained if counts[label] >= rules.new_class_at}
    return frozenset(own) | grown


def _counts(taken: Iterable[tuple[Candidate, str]]) -> Counter[str]:
    return Counter(one.label for one, split in taken if split != AUDIT)


def _waiting(label: str, taken: Sequence[tuple[Candidate, str]], rules: Rules) -> str:
    count = _counts(taken)[label]
    if count >= rules.new_class_at:
        return "none of its photos falls to train"
    return f"{count} of the {rules.new_class_at} photos that it needs"


def _name(split: str, one: Candidate) -> str:
    return f"{split}/{folder_of(one.label)}/reviewed-{one.photo.sha256[:16]}{one.suffix}"


def _check_labels(classes: Iterable[str]) -> None:
    """A made version's folders must read as the very labels that they were made of."""
    labels = sorted(classes, key=folder_of)
    folders = [folder_of(label) for label in labels]
    if list(labels_of(folders)) != labels:
        wrong = next(
            label for label, read in zip(labels, labels_of(folders), strict=True) if label != read
        )
        raise DataError(
            f"The class {wrong!r} would be called otherwise as the folder {folder_of(wrong)}. "
            "Rename its folder in the base."
        )
