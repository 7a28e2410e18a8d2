"""What changed between two data sets: classes, counts, photos, conflicts between reviewers.

A photo is its content: another file name is no change, another split or label is.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from training.data.dataset import DataSet
from training.data.folders import AUDIT, SPLITS
from training.data.manifest import read_manifest


class Contents(NamedTuple):
    """A data set to compare: `photos` are (name, sha256, label), `conflicts` lines to show."""

    classes: frozenset[str]
    photos: tuple[tuple[str, str, str], ...]
    conflicts: tuple[str, ...]


@dataclass(frozen=True)
class Changes:
    """Lines to show, sorted; `counts` maps each split and audit to its photos before and after."""

    counts: dict[str, tuple[int, int]]
    classes_added: tuple[str, ...]
    classes_removed: tuple[str, ...]
    added: tuple[str, ...]
    relabelled: tuple[str, ...]
    removed: tuple[str, ...]
    moved: tuple[str, ...]
    conflicts_added: tuple[str, ...]
    conflicts_removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return any(value for name, value in vars(self).items() if name != "counts") or any(
            old != new for old, new in self.counts.values()
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def contents(data: DataSet) -> Contents:
    """Of a folder: by its dataset.json where it has one, else by its files.

    Raises DataError where dataset.json is none or was changed.
    """
    if data.manifest is not None:
        return contents_of(read_manifest(data.root))
    labels = {
        data.names[sample.path]: data.labels[sample.class_index]
        for samples in data.splits.values()
        for sample in samples
    }
    photos = [(name, digest, labels[name]) for name, digest in data.digests.items()]
    return Contents(frozenset(data.labels), tuple(photos), ())


def contents_of(manifest: Mapping[str, Any]) -> Contents:
    """Of a version, by its manifest."""
    photos = [(each["name"], each["sha256"], each["label"]) for each in manifest["photos"]]
    conflicts = [conflict_line(each) for each in manifest["conflicts"]]
    return Contents(frozenset(manifest["classes"]), tuple(photos), tuple(conflicts))


def conflict_line(conflict: Mapping[str, Any]) -> str:
    """One of a manifest's conflicts, in words."""
    others = "; ".join(_words(word) for word in conflict["others"])
    return f"{conflict['key']}: {_words(conflict['counted'])} counts; {others}"


def _words(word: Mapping[str, Any]) -> str:
    said = word.get("breed", word.get("verdict"))
    return f"{said} (by {word['by']}, {word['at'][:10]})" if "by" in word else f"{said} (the base)"


def compare(before: Contents, after: Contents) -> Changes:
    """What is otherwise in `after`."""
    old, new = _by_content(before), _by_content(after)
    added, removed, relabelled, moved = [], [], [], []
    for digest in sorted(old.keys() | new.keys()):
        was, now = old.get(digest, []), new.get(digest, [])
        if not was:
            added += [f"{name} ({label})" for name, label in now]
        elif not now:
            removed += [f"{name} ({label})" for name, label in was]
        else:
            where = " = ".join(name for name, _ in now)
            labels = [" and ".join(sorted({label for _, label in both})) for both in (was, now)]
            splits = [
                " and ".join(sorted({_split(name) for name, _ in both})) for both in (was, now)
            ]
            if labels[0] != labels[1]:
                relabelled.append(f"{where}: {labels[0]} -> {labels[1]}")
            if splits[0] != splits[1]:
                moved.append(f"{where}: {splits[0]} -> {splits[1]}")
    counts = [Counter(_split(name) for name, _, _ in both.photos) for both in (before, after)]
    return Changes(
        counts={split: (counts[0][split], counts[1][split]) for split in (*SPLITS, AUDIT)},
        classes_added=tuple(sorted(after.classes - before.classes)),
        classes_removed=tuple(sorted(before.classes - after.classes)),
        added=tuple(sorted(added)),
        relabelled=tuple(sorted(relabelled)),
        removed=tuple(sorted(removed)),
        moved=tuple(sorted(moved)),
        conflicts_added=tuple(sorted({*after.conflicts} - {*before.conflicts})),
        conflicts_removed=tuple(sorted({*before.conflicts} - {*after.conflicts})),
    )


def _by_content(side: Contents) -> dict[str, list[tuple[str, str]]]:
    """sha256 -> names and labels: a file may be in a data set more than once."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, digest, label in sorted(side.photos):
        found[digest].append((name, label))
    return found


def _split(name: str) -> str:
    return name.partition("/")[0]
