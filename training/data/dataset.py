"""A folder of photos, one folder a class, as the training job sees it.

    from training.data.dataset import DataSet
    data = DataSet.open(Path("photos"), seed=7)
    data.labels               # ("Affenpinscher", "Afghan hound", ...), in index order
    for path, class_index in data.train: ...
    data.hash                 # the same on every machine that holds the same photos and splits

With train/, valid/ and test/ folders (or their usual other names) these are the splits. One folder
of class folders is split here: see training.data.splitting. Either way a photo's `name` is
"<split>/<class folder>/<file>", the key that it gets in S3 and what the hash is made of, so a set
split here, the same set written out by `python -m training.data split`, and what a job finds in
its data channel after `upload` are one data set with one hash.
"""

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from training.data.digests import file_digests
from training.data.errors import DataError
from training.data.folders import AUDIT, SPLITS, Layout, Split, labels_of, read_layout
from training.data.manifest import read_manifest
from training.data.splitting import DEFAULT_FRACTIONS, Fractions, split_class


class Sample(NamedTuple):
    """One photo and the index of its class in DataSet.labels."""

    path: Path
    class_index: int


@dataclass(frozen=True)
class DataSet:
    """Classes in index order and the photos of each split, sorted by name.

    `folders[i]` is the class folder whose label is `labels[i]`. `was_split` tells that the splits
    were made here from one folder. `others` are files and folders that are not part of the set.
    `audit` are the photos below audit/, a test set of its own: in no split, no name, no hash.
    `manifest` is the dataset.json of a version that `make dataset` made. `known_digests` are
    `digests` where somebody has computed them already.
    """

    root: Path
    folders: tuple[str, ...]
    labels: tuple[str, ...]
    splits: dict[Split, tuple[Sample, ...]]
    names: dict[Path, str]  # each photo's "<split>/<class folder>/<file>"
    was_split: bool
    others: tuple[Path, ...]
    audit: tuple[Sample, ...] = ()
    manifest: Path | None = None
    known_digests: Mapping[str, str] | None = None

    @property
    def version(self) -> str | None:
        """What `make dataset` calls it; None for a folder that it did not make.

        Raises DataError where dataset.json is none, or was changed by hand.
        """
        return None if self.manifest is None else str(read_manifest(self.root)["version"])

    @classmethod
    def open(cls, root: Path, seed: int = 0, fractions: Fractions = DEFAULT_FRACTIONS) -> "DataSet":
        """Read the folder names below `root`; no picture is decoded.

        `seed` and `fractions` (train, valid, test) matter only where `root` has no splits; then
        every file is read once, because photos are dealt out by content.

        Raises DataError where `root` is no data set, a class has no training photo, or two class
        folders have the same label.
        """
        layout = read_layout(root)
        folders = _class_folders(layout)
        labels = labels_of(folders)
        was_split = None in layout.groups
        parts = _dealt(layout, seed, fractions) if was_split else _given(layout)
        splits: dict[Split, tuple[Sample, ...]] = {}
        names: dict[Path, str] = {}
        for split in SPLITS:
            samples = []
            for index, folder in enumerate(folders):
                for path in parts[split].get(folder, ()):
                    names[path] = _name(split, layout, path)
                    samples.append(Sample(path, index))
            splits[split] = tuple(sorted(samples, key=lambda sample: names[sample.path]))
        _check_names(names)
        return cls(
            root, folders, labels, splits, names, was_split, layout.others,
            audit=_audit(layout, folders), manifest=layout.manifest,
        )  # fmt: skip

    @property
    def train(self) -> tuple[Sample, ...]:
        return self.splits["train"]

    @property
    def valid(self) -> tuple[Sample, ...]:
        return self.splits["valid"]

    @property
    def test(self) -> tuple[Sample, ...]:
        return self.splits["test"]

    @cached_property
    def audit_names(self) -> dict[Path, str]:
        """Each audit photo's "audit/<class folder>/<file>"."""
        return {
            sample.path: unicodedata.normalize("NFC", sample.path.relative_to(self.root).as_posix())
            for sample in self.audit
        }

    @cached_property
    def digests(self) -> dict[str, str]:
        """Each photo's name -> sha256 of its content in hex."""
        if self.known_digests is not None:
            return dict(self.known_digests)
        return {self.names[path]: digest for path, digest in file_digests([*self.names]).items()}

    @cached_property
    def hash(self) -> str:
        """sha256 in hex over every photo's name and content: another photo, class, split or file
        name gives another hash; the machine, the folder and the order of files do not matter.
        """
        return set_hash(self.digests)


def set_hash(digests: Mapping[str, str]) -> str:
    """DataSet.hash, from each photo's name and sha256."""
    total = hashlib.sha256()
    for name, digest in sorted(digests.items()):
        total.update(f"{name}\0{digest}\n".encode())
    return total.hexdigest()


def _class_folders(layout: Layout) -> tuple[str, ...]:
    """The class folders in index order; every one of them must have a photo to train on."""
    folders = sorted({folder for classes in layout.groups.values() for folder in classes})
    trained = layout.groups[None] if None in layout.groups else layout.groups["train"]
    empty = [folder for folder in folders if not trained.get(folder)]
    if empty:
        where = "" if None in layout.groups else " in train"
        names = ", ".join(empty[:10]) + (" ..." if empty[10:] else "")
        raise DataError(
            f"{layout.root}: {len(empty)} of {len(folders)} class folders have no picture{where}: "
            f"{names}. Add pictures or remove the folders from every split."
        )
    if len(folders) < 2:
        raise DataError(f"{layout.root}: {folders[0]} is the only class folder; two are needed.")
    return tuple(folders)


def _audit(layout: Layout, folders: tuple[str, ...]) -> tuple[Sample, ...]:
    unknown = sorted(layout.audit.keys() - set(folders))
    if unknown:
        raise DataError(
            f"{layout.root}/{AUDIT}: {', '.join(unknown[:10])} is no class of train. "
            "Add photos of it to train, or remove the folder."
        )
    return tuple(
        Sample(path, index)
        for index, folder in enumerate(folders)
        for path in sorted(layout.audit.get(folder, ()))
    )


def _given(layout: Layout) -> dict[Split, dict[str, tuple[Path, ...]]]:
    return {split: classes for split, classes in layout.groups.items() if split is not None}


def _dealt(
    layout: Layout, seed: int, fractions: Fractions
) -> dict[Split, dict[str, tuple[Path, ...]]]:
    """Every class of a set without splits, dealt out over the splits."""
    digests = file_digests([path for files in layout.groups[None].values() for path in files])
    parts: dict[Split, dict[str, tuple[Path, ...]]] = {split: {} for split in SPLITS}
    for folder, files in layout.groups[None].items():
        dealt = split_class({path: digests[path] for path in files}, seed, fractions)
        for split, chosen in dealt.items():
            parts[split][folder] = chosen
    return parts


def _name(split: Split, layout: Layout, path: Path) -> str:
    """The photo's name, one for the composed and decomposed spellings of accents."""
    relative = path.relative_to(layout.root).parts
    inside = relative if None in layout.groups else relative[1:]
    return unicodedata.normalize("NFC", "/".join((split, *inside)))


def _check_names(names: dict[Path, str]) -> None:
    """Names become S3 keys and are hashed, so each must be text, and its own."""
    seen: dict[str, Path] = {}
    for path, name in names.items():
        # A control character has no place in an XML listing of S3; a lone surrogate is a byte that
        # is no UTF-8. Any other character is a name's own business: macOS writes U+202F itself.
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
            raise DataError(
                f"{str(path)!r} has control characters in its name, or bytes that are no text. "
                "Rename it."
            )
        if name in seen:
            raise DataError(f"{seen[name]} and {path} are both called {name}. Rename one of them.")
        seen[name] = path
