"""Get a data set that is published as one zip archive; by default dogImages, the usual one.

DOG_IMAGES has 133 breeds in 8,351 photos (6,680 / 835 / 836), 1.1 GB. Its publisher gives no
checksum, so without --sha256 what is checked is that as many bytes came as the server announced,
and the CRC of every file in it. The sha256 of what came is written down beside the folder, in
<folder>.download.json; give that to --sha256 to get the very same data again.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from training.data.digests import file_digest
from training.data.errors import DataError
from training.data.fetch import fetch
from training.data.unpack import unpack

DOG_IMAGES = "https://s3-us-west-1.amazonaws.com/udacity-aind/dog-project/dogImages.zip"


@dataclass(frozen=True)
class Download:
    """Where a data folder comes from. `size` in bytes, `sha256` in hex: the archive's."""

    url: str
    size: int
    sha256: str
    etag: str | None
    last_modified: str | None
    fetched_at: str  # ISO 8601, UTC


@dataclass(frozen=True)
class Progress:
    """Called with the bytes done and, where it is known, in all."""

    fetched: Callable[[int, int | None], None]
    unpacked: Callable[[int, int], None]


def download(url: str, target: Path, sha256: str | None, progress: Progress) -> Download:
    """Fetch the archive at `url`, check it, unpack it into `target`, remove it.

    Where `target` is there from an earlier download of the same URL (and sha256), nothing happens
    and that one's record is returned. Raises DataError for anything else.
    """
    if target.exists():
        return _existing(url, target, sha256)
    archive = target.with_name(target.name + ".zip")
    record = _record(target)
    kept = record if record and record.url == url and archive.exists() else None
    if kept is None or file_digest(archive) != kept.sha256:  # else only unpacking was stopped
        version = fetch(url, archive, progress.fetched)
        kept = Download(
            url=url,
            size=archive.stat().st_size,
            sha256=file_digest(archive),
            etag=version.etag,
            last_modified=version.last_modified,
            fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
    if sha256 is not None and kept.sha256 != sha256.lower():
        archive.unlink()
        raise DataError(
            f"{url} has the sha256 {kept.sha256}, and {sha256.lower()} was expected. What came was "
            "removed. Either the file was changed, or the expected value belongs to another one."
        )
    record_path(target).write_text(json.dumps(asdict(kept), indent=2) + "\n", encoding="utf-8")
    unpack(archive, target, progress.unpacked)
    archive.unlink()
    return kept


def record_path(target: Path) -> Path:
    """Beside the data, not in it: everything in it is taken for data."""
    return target.with_name(target.name + ".download.json")


def _record(target: Path) -> Download | None:
    try:
        return Download(**json.loads(record_path(target).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):  # none, or not written by this
        return None


def _existing(url: str, target: Path, sha256: str | None) -> Download:
    record = _record(target)
    if record is None:
        raise DataError(
            f"{target} exists and no download made it. Choose another folder, or remove it."
        )
    if record.url != url or (sha256 is not None and record.sha256 != sha256.lower()):
        raise DataError(
            f"{target} holds {record.url} with the sha256 {record.sha256}, not what was asked for. "
            "Choose another folder, or remove this one."
        )
    return record
