"""dataset.json of a made version: schemas/dataset.json. Its version is the hash of what it says."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.data.errors import DataError
from training.data.folders import MANIFEST

SCHEMA = 1


def version_of(manifest: Mapping[str, Any]) -> str:
    """12 hex digits of the sha256 of everything in a manifest but its version."""
    content = {name: value for name, value in manifest.items() if name != "version"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def to_bytes(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as dataset.json."""
    return (json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def read_manifest(folder: Path) -> dict[str, Any]:
    """A version's dataset.json. Raises DataError where it is none, or was changed by hand."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(
            f"{path} is no JSON: {error}. Remove {folder} and make it again."
        ) from error
    return checked(manifest, str(path))


def checked(manifest: Any, where: str) -> dict[str, Any]:
    """A manifest that says of itself what it is. Raises DataError as read_manifest does."""
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise DataError(f"{where} is no data set's manifest of schema {SCHEMA}. Remove it.")
    if manifest.get("version") != version_of(manifest):
        raise DataError(
            f"{where} was changed since it was made: it is {version_of(manifest)} and calls itself "
            f"{manifest.get('version')}. Make the version again."
        )
    return manifest
