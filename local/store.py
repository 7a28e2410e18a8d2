"""What a service remembers: tables of AWS-shaped records keyed by ARN, written to disk at every
change.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.errors import StartError

Record = dict[str, Any]
_FORMAT = 1


class Store:
    """Thread-safe. Records are handed out as they are: change them only inside `changing()`."""

    def __init__(self, path: Path, *tables: str) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._tables: dict[str, dict[str, Record]] = {name: {} for name in tables}
        if path.exists():
            self._tables = _read(path, tables)

    def __getitem__(self, table: str) -> dict[str, Record]:
        return self._tables[table]

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock, and write the tables to disk when the block ends without an error."""
        with self._lock:
            yield
            self._path.parent.mkdir(parents=True, exist_ok=True)
            half = self._path.with_suffix(".tmp")
            half.write_text(json.dumps({"format": _FORMAT, **self._tables}, indent=1))
            half.replace(self._path)

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
