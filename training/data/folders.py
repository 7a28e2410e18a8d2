"""Which folders and files make up a data set, and what the classes are called."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.data.errors import DataError

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")

# What a made version has beside its splits: photos that no training sees, and where all come from.
AUDIT = "audit"
MANIFEST = "dataset.json"

# Other names that the three folders have in the wild; upper and lower case are the same.
_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}

# What photo_reader.FORMATS are called on disk.
PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
    | {".heic", ".heif", ".hif", ".avif"}
)

# A number, a mark, and a name that begins with a letter.
_INDEXED = re.compile(r"([0-9]+)([.\-_ ]+)([^\W\d_].*)", re.DOTALL)

# Left behind by macOS and Windows; no one put them there.
_CLUTTER = {"__macosx", "thumbs.db", "desktop.ini"}

EXPECTED = """\
Expected either three folders of class folders:
    train/001.Beagle/a.jpg   valid/001.Beagle/b.jpg   test/001.Beagle/c.jpg
or one folder of class folders, which is then split:
    001.Beagle/a.jpg   002.Pug/b.jpg"""


@dataclass(frozen=True)
class Layout:
    """The files of a data set as they lie on disk.

    `groups` maps a split's name (None where the set is not split) to its class folders, and each of
    those to its pictures. `audit` maps the class folders of audit/, beside the splits, to theirs.
    `others` are visible files and folders that are not part of the data set.
    """

    root: Path
    groups: dict[Split | None, dict[str, tuple[Path, ...]]]
    others: tuple[Path, ...]
    audit: dict[str, tuple[Path, ...]]
    manifest: Path | None


def read_layout(root: Path) -> Layout:
    """Look through `root`. Raises DataError saying what was found where it is no data set."""
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DataError(f"{root} {what}: a data set is a folder.\n{EXPECTED}")
    folders = [path for path in _visible(root) if path.is_dir()]
    others = [path for path in _visible(root) if not path.is_dir()]
    by_split = _split_folders(root, folders)
    groups: dict[Split | None, dict[str, tuple[Path, ...]]] = {}
    for split, folder in by_split.items():
        groups[split], strays = _classes(folder)
        others += strays
    audit: dict[str, tuple[Path, ...]] = {}
    manifest: Path | None = None
    if by_split:
        if root / AUDIT in folders:
            audit, strays = _classes(root / AUDIT)
            others += strays
        if root / MANIFEST in others:
            manifest = root / MANIFEST
            others.remove(manifest)
        known = {*by_split.values(), root / AUDIT}
        others += [folder for folder in folders if folder not in known]
    else:
        inside = [folder for folder in folders if _holds_train(folder)]
        if inside:
            raise DataError(f"{root} is not a data set, but {inside[0]} looks like one. Open that.")
        groups[None], others = _classes(root)
    if not any(files for classes in groups.values() for files in classes.values()):
        raise DataError(f"{root} is not a data set: {_found(root, folders)}\n{EXPECTED}")
    return Layout(root, groups, tuple(sorted(others)), audit, manifest)


def label_of(folder: str) -> str:
    """ "003.Golden_retriever" -> "Golden retriever": no index, spaces for underscores."""
    text = unicodedata.normalize("NFC", folder)
    return _spaced(re.sub(r"^\d+[.\-_ ]+", "", text)) or text


def labels_of(folders: Sequence[str]) -> tuple[str, ...]:
    """A readable label a folder, in the same order. Raises DataError where two are the same."""
    texts = [unicodedata.normalize("NFC", folder) for folder in folders]
    indexed = _are_indexed(texts)
    labels = tuple(label_of(text) if indexed else _spaced(text) or text for text in texts)
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        same = [name for name, label in zip(folders, labels, strict=True) if label == twice[0]]
        raise DataError(
            f"The class folders {', '.join(same)} have one label, {twice[0]!r}. "
            "Rename one, or merge them if they are one class."
        )
    return labels


def _spaced(text: str) -> str:
    return " ".join(text.replace("_", " ").split())


def _are_indexed(folders: Sequence[str]) -> bool:
    """Whether the numbers before the classes' names are a running index, as in 001.Affenpinscher.

    They are where every folder has one, all of one width, no two the same, before a name that
    begins with a letter, and they either count from 0 or 1 without a gap or are padded with zeros
    (some classes of 001 ... 133). Any other number belongs to its class: 5_euro, 10_euro; 2019_a,
    2020_b. So do those without which no class would keep a name of its own (1_euro, 2_euro), unless
    full stops say that they are an index.
    """
    parts = [match.groups() for match in map(_INDEXED.fullmatch, folders) if match]
    numbers = sorted(int(digits) for digits, _, _ in parts)
    if len(parts) < len(folders) or len(set(numbers)) < len(numbers):
        return False
    counted = numbers in (list(range(len(numbers))), list(range(1, len(numbers) + 1)))
    padded = any(digits.startswith("0") for digits, _, _ in parts)
    if len({len(digits) for digits, _, _ in parts}) > 1 or not (counted or padded):
        return False
    named = 1 in Counter(_spaced(name) for _, _, name in parts).values()
    return named or all("." in mark for _, mark, _ in parts)


def _split_folders(root: Path, folders: list[Path]) -> dict[Split, Path]:
    """The three split folders, or none where `root` holds class folders itself."""
    found: dict[Split, Path] = {}
    for folder in folders:
        split = _SPLIT_NAMES.get(folder.name.lower())
        if split is None:
            continue
        if split in found:
            both = f"{found[split].name} and {folder.name}"
            raise DataError(f"{root} holds {both}, two names for one split. Keep one of them.")
        found[split] = folder
    if "train" not in found and len(found) < len(folders):  # a class may well be called "test"
        return {}
    missing = [split for split in SPLITS if split not in found]
    if found and missing:
        names = ", ".join(folder.name for folder in found.values())
        raise DataError(
            f"{root} holds {names}, but no {' and no '.join(missing)} folder. Add it, or put all "
            "class folders into one folder without splits, which is then split."
        )
    return {split: found[split] for split in SPLITS if split in found}


def _classes(folder: Path) -> tuple[dict[str, tuple[Path, ...]], list[Path]]:
    """The class folders of `folder` with their pictures, and the files that are no pictures."""
    classes = {}
    others = []
    for path in _visible(folder):
        if not path.is_dir():
            others.append(path)
            continue
        files = list(_files(path))
        classes[path.name] = tuple(file for file in files if _is_picture(file))
        others += [file for file in files if not _is_picture(file)]
    return classes, others


def _files(folder: Path) -> Iterator[Path]:
    """All visible files below `folder`, sorted by path: folders inside class folders count too."""
    for path in _visible(folder):
        # A link to a folder further up would never end, so a linked folder counts as no picture.
        if path.is_dir() and not path.is_symlink():
            yield from _files(path)
        else:
            yield path


def _visible(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    return [
        folder / name
        for name in sorted(names)
        if not name.startswith(".") and name.lower() not in _CLUTTER
    ]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES


def _found(root: Path, folders: list[Path]) -> str:
    """What is there instead."""
    loose = sum(1 for path in _visible(root) if _is_picture(path))
    if loose:
        return f"its {loose} pictures are not in class folders."
    if folders:
        names = ", ".join(folder.name for folder in folders[:5])
        return f"no picture in its {len(folders)} folders ({names}{' ...' if folders[5:] else ''})."
    return "it holds no folder."


def _holds_train(folder: Path) -> bool:
    """Whether the folder has a train folder: then it is a data set, not a class."""
    folders = (path for path in _visible(folder) if path.is_dir())
    return any(_SPLIT_NAMES.get(path.name.lower()) == "train" for path in folders)
