"""Is this data set fit to train on? What is wrong with it, as errors and warnings.

Errors would end the training or make its figures wrong:
    unreadable      a photo that cannot be decoded whole (the training job reads it the same way)
    leak            the same file, byte for byte, in two splits
    empty-split     no photo at all in valid or test
    manifest        a made version whose photos are not those of its dataset.json
Of a made version audit/ is looked at as a fourth split.
(What is no data set at all, or has a class without training photos, is DataSet.open's DataError.)

Warnings are worth a look and stop nothing:
    near-leak       nearly the same picture in two splits; see training.data.fingerprint
    two-labels      the same file in two classes of one split
    copy            the same file more than once in one class and split
    near-copy       nearly the same picture within one split
    missing-class   a class without a photo in valid or test, so its accuracy is unknown
    small-class     fewer than SMALL_CLASS training photos
    not-a-picture   files and folders that are not part of the data set
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from training.data.dataset import DataSet, set_hash
from training.data.fingerprint import as_array, near_groups
from training.data.folders import SPLITS
from training.data.inspection import Inspection, inspect_all
from training.data.manifest import read_manifest

# A class of dogImages, the usual data set, has 26 to 77 training photos; below ten, one photo more
# or less moves the class's accuracy more than any choice of training does.
SMALL_CLASS = 10


@dataclass(frozen=True)
class Finding:
    """One kind of thing found, with every place where it was: `items` are lines to show."""

    severity: Literal["error", "warning"]
    code: str
    title: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What `verify` found. `hash` is None where a file could not be read."""

    root: str
    hash: str | None
    was_split: bool
    counts: dict[str, dict[str, int]]  # label -> split -> photos
    findings: tuple[Finding, ...]  # errors first
    seconds: float

    @property
    def ok(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {"ok": self.ok, **asdict(self)}


def verify(data: DataSet, advance: Callable[[], None]) -> Report:
    """Look at every photo of the set; `advance` is called after each one."""
    start = time.monotonic()
    names = data.names | data.audit_names
    inspections = inspect_all(names, advance)
    counts = _counts(data)
    findings = [
        _unreadable(data, inspections),
        _manifest(data, {names[seen.path]: seen.sha256 for seen in inspections}),
        *_copies(data, inspections),
        *_near(data, inspections),
        *_class_findings(counts),
        _others(data),
    ]
    found = [finding for finding in findings if finding.items]
    digests = {
        data.names[seen.path]: seen.sha256 for seen in inspections if seen.path in data.names
    }
    known = {name: digest for name, digest in digests.items() if digest}
    return Report(
        root=str(data.root),
        hash=set_hash(known) if len(known) == len(digests) else None,
        was_split=data.was_split,
        counts=counts,
        findings=tuple(sorted(found, key=lambda finding: finding.severity)),
        seconds=round(time.monotonic() - start, 2),
    )


def _counts(data: DataSet) -> dict[str, dict[str, int]]:
    counts = {label: dict.fromkeys(map(str, SPLITS), 0) for label in data.labels}
    for split in SPLITS:
        for sample in data.splits[split]:
            counts[data.labels[sample.class_index]][split] += 1
    return counts


def _unreadable(data: DataSet, inspections: Sequence[Inspection]) -> Finding:
    broken = [f"{_where(data, seen.path)}: {seen.problem}" for seen in inspections if seen.problem]
    return Finding("error", "unreadable", "photos that cannot be decoded", tuple(broken))


def _manifest(data: DataSet, digests: Mapping[str, str | None]) -> Finding:
    """Where a made version is not as its dataset.json says."""
    items: list[str] = []
    if data.manifest is not None:
        said = {each["name"]: each["sha256"] for each in read_manifest(data.root)["photos"]}
        items += [f"{name}: is not there" for name in sorted(said.keys() - digests.keys())]
        items += [f"{name}: was added by hand" for name in sorted(digests.keys() - said.keys())]
        changed = sorted(name for name in said if digests.get(name, said[name]) != said[name])
        items += [f"{name}: its bytes were changed" for name in changed]
    return Finding("error", "manifest", "photos that are not as dataset.json says", tuple(items))


def _copies(data: DataSet, inspections: Sequence[Inspection]) -> list[Finding]:
    """Files that are the same byte for byte, each group under the worst that it is."""
    same: dict[str, list[Path]] = {}
    for seen in inspections:
        if seen.sha256 and not seen.problem:  # empty files are all the same, and errors already
            same.setdefault(seen.sha256, []).append(seen.path)
    leaks: list[str] = []
    conflicts: list[str] = []
    copies: list[str] = []
    for paths in same.values():
        if len(paths) == 1:
            continue
        splits, classes = _spread(data, paths)
        kind = leaks if splits > 1 else conflicts if classes > 1 else copies
        kind.append(_group(data, paths))
    return [
        Finding("error", "leak", "the same file in two splits", tuple(leaks)),
        Finding("warning", "two-labels", "the same file in two classes", tuple(conflicts)),
        Finding("warning", "copy", "the same file more than once in a class", tuple(copies)),
    ]


def _near(data: DataSet, inspections: Sequence[Inspection]) -> list[Finding]:
    """Pictures that look the same; one file stands for all its exact copies."""
    different = {seen.sha256: seen for seen in inspections if seen.prints}
    known = sorted(different.values(), key=lambda seen: _name(data, seen.path))
    prints = as_array([seen.prints[0] for seen in known if seen.prints])
    mirrored = as_array([seen.prints[1] for seen in known if seen.prints])
    leaks: list[str] = []
    copies: list[str] = []
    for rows, distance in near_groups(prints, mirrored):
        paths = [known[row].path for row in rows]
        kind = leaks if _spread(data, paths)[0] > 1 else copies
        kind.append(f"{_group(data, paths)} (distance {distance})")
    return [
        Finding("warning", "near-leak", "nearly the same picture in two splits", tuple(leaks)),
        Finding("warning", "near-copy", "nearly the same picture in one split", tuple(copies)),
    ]


def _class_findings(counts: dict[str, dict[str, int]]) -> list[Finding]:
    empty = [
        f"{split} holds no photo"
        for split in SPLITS
        if not any(of_class[split] for of_class in counts.values())
    ]
    missing = [
        f"{label}: none in {split}"
        for label, of_class in counts.items()
        for split in SPLITS
        if not of_class[split] and f"{split} holds no photo" not in empty
    ]
    small = [
        f"{label}: {of_class['train']}"
        for label, of_class in counts.items()
        if of_class["train"] < SMALL_CLASS
    ]
    return [
        Finding("error", "empty-split", "splits without photos", tuple(empty)),
        Finding("warning", "missing-class", "classes missing in a split", tuple(missing)),
        Finding(
            "warning",
            "small-class",
            f"classes with fewer than {SMALL_CLASS} training photos",
            tuple(small),
        ),
    ]


def _others(data: DataSet) -> Finding:
    names = (path.relative_to(data.root).as_posix() for path in data.others)
    return Finding("warning", "not-a-picture", "not part of the data set", tuple(names))


def _name(data: DataSet, path: Path) -> str:
    return data.names.get(path) or data.audit_names[path]


def _spread(data: DataSet, paths: Sequence[Path]) -> tuple[int, int]:
    """Over how many splits and how many classes the photos are spread."""
    parts = [_name(data, path).split("/") for path in paths]
    return len({part[0] for part in parts}), len({part[1] for part in parts})


def _group(data: DataSet, paths: Sequence[Path]) -> str:
    return " = ".join(sorted(_where(data, path) for path in paths))


def _where(data: DataSet, path: Path) -> str:
    """Where the photo is: its name, and its path where the splits were made here."""
    if data.was_split:
        return f"{path.relative_to(data.root).as_posix()} [{data.names[path].partition('/')[0]}]"
    return path.relative_to(data.root).as_posix()
