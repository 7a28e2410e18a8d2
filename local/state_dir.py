"""The state directory: one cloud at a time, and nothing that ministack would silently skip."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import IO

from local.errors import StartError


class StateLock:
    """Held until it is closed; the system lets go of it even after kill -9."""

    def __init__(self, state_dir: Path, port: int) -> None:
        try:
            state_dir.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = (state_dir / "lock").open("a+")
        except OSError as error:
            raise StartError(
                f"{state_dir} cannot hold the state ({error}). Choose another --state-dir."
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "another cloud"
            self._file.close()
            raise StartError(
                f"{state_dir} is in use by {holder}. Stop that one, or give this one "
                "another --state-dir."
            ) from error
        self._file.truncate(0)
        self._file.write(f"the cloud with process id {os.getpid()} on port {port}")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def check_readable(services_dir: Path) -> None:
    """Refuse a state that ministack would start without: it logs what it cannot read and goes on
    empty.
    """
    for path in sorted(services_dir.glob("*.json")):
        try:
            json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise StartError(
                f"the state in {path} cannot be read ({error}). "
                f"Delete {services_dir.parent.parent} to start afresh."
            ) from error
