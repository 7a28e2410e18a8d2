"""Dealing a class's photos out over train, valid and test.

Stratified: every class is dealt out on its own. Photos are ordered by a hash of seed and content,
so neither the order of files nor their names play a part, one photo more moves few of the others,
and identical files always land in the same split.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from training.data.errors import DataError
from training.data.folders import SPLITS, Split

Fractions = tuple[float, float, float]  # train, valid, test; positive, adding up to 1

# As dogImages is split: 6,680 / 835 / 836.
DEFAULT_FRACTIONS: Fractions = (0.8, 0.1, 0.1)


def split_class(
    digests: Mapping[Path, str], seed: int, fractions: Fractions = DEFAULT_FRACTIONS
) -> dict[Split, tuple[Path, ...]]:
    """Deal out one class's photos, given each one's sha256.

    The fractions are of the *different* photos. Of three or more every split gets at least one;
    fewer are all trained on, as a class without training photos is of no use.
    """
    check_fractions(fractions)
    copies: dict[str, list[Path]] = {}
    for path, digest in digests.items():
        copies.setdefault(digest, []).append(path)
    order = sorted(copies, key=lambda digest: hashlib.sha256(f"{seed}/{digest}".encode()).digest())
    result: dict[Split, tuple[Path, ...]] = {}
    start = 0
    for split, count in zip(SPLITS, split_counts(len(order), fractions), strict=True):
        chosen = order[start : start + count]
        result[split] = tuple(path for digest in chosen for path in sorted(copies[digest]))
        start += count
    return result


def split_counts(count: int, fractions: Fractions) -> tuple[int, int, int]:
    """How many of `count` photos go to train, valid and test: rounded, but never none of three."""
    if count < len(SPLITS):
        return (count, 0, 0)
    valid = max(1, round(count * fractions[1]))
    test = max(1, round(count * fractions[2]))
    while valid + test > count - 1:  # train needs one as well; take it from the larger
        valid, test = (valid - 1, test) if valid >= test else (valid, test - 1)
    return (count - valid - test, valid, test)


def check_fractions(fractions: Fractions) -> None:
    """Raises DataError unless all three are positive and add up to 1."""
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        shown = ", ".join(f"{fraction:g}" for fraction in fractions)
        raise DataError(
            f"The fractions {shown} cannot be used: train, valid and test must each be positive "
            "and add up to 1, for example 0.8,0.1,0.1."
        )


def write_split(names: Mapping[Path, str], target: Path, advance: Callable[[], None]) -> None:
    """Copy photos to their names ("<split>/<class folder>/<file>") below `target`.

    `advance` is called after each. They are copied into a folder beside it first, so that `target`
    is complete or absent. Raises DataError where `target` exists.
    """
    if target.exists():
        raise DataError(f"{target} exists already. Remove it, or choose another folder.")
    partial = target.with_name(target.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)  # of an earlier run that was stopped
    for path, name in names.items():
        destination = partial / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, destination)
        advance()
    partial.rename(target)
