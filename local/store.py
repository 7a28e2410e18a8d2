"""What a service remembers: tables of AWS-shaped records keyed by ARN, written to disk at every
change.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.errors import StartError

logger = logging.getLogger(__name__)

Record = dict[str, Any]
_FORMAT = 1


class Store:
    """Thread-safe. Records are handed out as they are: change them only inside `changing()` or
    `recording()`.
    """

    def __init__(self, path: Path, *tables: str) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._depth = 0  # of blocks within blocks: the outermost one writes
        self._tables: dict[str, dict[str, Record]] = {name: {} for name in tables}
        if path.exists():
            self._tables = _read(path, tables)

    def __getitem__(self, table: str) -> dict[str, Record]:
        return self._tables[table]

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock, and write the tables to disk when the block ends without an error.

        Where the block or the disk fails, rows that came or went are put back. Raises OSError.
        """
        with self._lock:
            before = {name: dict(rows) for name, rows in self._tables.items()}
            try:
                with self._block():
                    yield
                if self._depth == 0:
                    self._write()
            except BaseException:
                for name, rows in before.items():
                    self._tables[name].clear()
                    self._tables[name].update(rows)
                raise

    @contextmanager
    def recording(self) -> Iterator[None]:
        """As `changing`, for what has happened already: a full disk does not undo it, so that is
        logged, and the next change writes it.
        """
        with self._lock:
            with self._block():
                yield
            try:
                if self._depth == 0:
                    self._write()
            except OSError:
                logger.exception("%s is behind what happened", self._path)

    @contextmanager
    def _block(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def _write(self) -> None:
        """Beside the file first: a cut leaves the old tables or the new ones, whole."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        half = self._path.with_suffix(".tmp")
        try:
            with half.open("w") as file:
                json.dump({"format": _FORMAT, **self._tables}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            half.replace(self._path)
        finally:
            half.unlink(missing_ok=True)

    def rows(self, table: str) -> list[Record]:
        """A snapshot of one table."""
        with self._lock:
            return list(self._tables[table].values())


def _read(path: Path, tables: tuple[str, ...]) -> dict[str, dict[str, Record]]:
    try:
        stored = json.loads(path.read_text())
        if stored["format"] != _FORMAT:
            raise ValueError(f"format {stored['format']}, not {_FORMAT}")
        return {name: dict(stored[name]) for name in tables}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StartError(
            f"the state in {path} cannot be read ({error!r}). "
            "Delete the state directory to start afresh."
        ) from error
