"""Unpacking a zip archive that came from elsewhere: only plain files, only below one folder."""

import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

from training.data.errors import DataError

# JPEG and PNG files do not shrink when zipped; uncompressed pictures shrink to a third or so. What
# grows more than this when unpacked was made to fill a disk.
MAX_GROWTH = 20
_CHUNK = 1 << 20


def unpack(archive: Path, target: Path, progress: Callable[[int, int], None]) -> int:
    """Unpack into the new folder `target`; `progress` gets the bytes written so far and in all.

    A single folder that holds everything (dogImages/) is left out of the paths, and so is what
    macOS adds (__MACOSX, ._*, .DS_Store). The files appear in a folder beside `target` that is
    renamed at the end: `target` is complete or absent. Every file's CRC is checked. Returns the
    number of files.

    Raises DataError where the archive is no zip file, is damaged, does not fit on the disk, or
    holds links, encrypted files, paths that lead out of it or more than it should.
    """
    partial = target.with_name(target.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)  # of an earlier run that was stopped
    try:
        with zipfile.ZipFile(archive) as source:
            entries = _entries(source, archive)
            total = sum(entry.file_size for entry in entries.values())
            check_space(target.parent, total)
            written = 0
            for path, entry in entries.items():
                written += _write(source, entry, partial / path)
                progress(written, total)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{archive} is damaged or no zip archive: {error}. Remove it and download it again."
        ) from error
    partial.rename(target)
    return len(entries)


def check_space(folder: Path, needed: int) -> None:
    """Raises DataError where the disk of `folder` has fewer than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder} has {free / 1e9:.1f} GB free and {needed / 1e9:.1f} GB more are needed. "
            "Make room, or choose a folder on another disk."
        )


def _entries(source: zipfile.ZipFile, archive: Path) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Every file to write, by its path below the target; all are judged before one is written."""
    entries: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for entry in source.infolist():
        path = PurePosixPath(entry.filename)
        if entry.is_dir() or _is_clutter(path):
            continue
        reason = _unsafe(entry, path)
        if path in entries:
            reason = "is there twice"
        if reason:
            raise _refused(archive, path, reason)
        entries[path] = entry
    for path in entries:
        if not entries.keys().isdisjoint(path.parents):
            raise _refused(archive, path, "is below a file, not a folder")
    total = sum(entry.file_size for entry in entries.values())
    size = archive.stat().st_size
    if total > MAX_GROWTH * size:
        raise DataError(
            f"{archive} has {size:,} bytes and would unpack to {total:,}, more than {MAX_GROWTH} "
            "times as many. No archive of pictures does that; nothing unpacked."
        )
    if not entries:
        raise DataError(f"{archive} holds no file.")
    tops = {path.parts[0] for path in entries}
    if len(tops) == 1 and all(len(path.parts) > 1 for path in entries):
        return {PurePosixPath(*path.parts[1:]): entry for path, entry in entries.items()}
    return entries


def _refused(archive: Path, path: PurePosixPath, reason: str) -> DataError:
    return DataError(f"{archive}: the entry '{path}' {reason}; nothing unpacked.")


def _is_clutter(path: PurePosixPath) -> bool:
    return path.parts[:1] == ("__MACOSX",) or path.name.startswith("._") or path.name == ".DS_Store"


def _unsafe(entry: zipfile.ZipInfo, path: PurePosixPath) -> str | None:
    """Why the entry must not be unpacked, on any system, or None."""
    if not path.parts:
        return "has no name"
    outside = path.is_absolute() or ".." in path.parts
    if outside or "\\" in entry.filename or PureWindowsPath(entry.filename).drive:
        return "leads out of the folder"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):  # 0: made on a system that does not record it
        return "is a link or a device, not a file"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is packed by method {entry.compress_type}, which is not supported"
    return None


def _write(source: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> int:
    """Write one file. zipfile stops at the size the entry states and checks its CRC."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with source.open(entry) as packed, path.open("xb") as file:
        shutil.copyfileobj(packed, file, _CHUNK)
        return file.tell()
