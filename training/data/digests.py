"""sha256 of many files."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from training.data.errors import DataError

# hashlib lets go of the interpreter's lock while it works, so threads use every CPU and, more
# important, keep several reads of a cold or networked disk in flight.
THREADS = 8


def file_digests(paths: Sequence[Path]) -> dict[Path, str]:
    """Each path -> sha256 of its content in hex. Raises DataError where a file cannot be read."""
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(paths, pool.map(file_digest, paths), strict=True))


def file_digest(path: Path) -> str:
    """sha256 of a file's content in hex."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
