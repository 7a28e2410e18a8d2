"""Versions of a data set in a folder, and on S3.

    out/
        latest.json           {"version": "1f2e3d4c5b6a"}
        1f2e3d4c5b6a/         train/ valid/ test/ audit/ dataset.json
        photos/               photos that reviews are about, each fetched once

On S3 a training's channel must not hold what no training may see, so audit/ lies beside it:
    PREFIX/latest.json   PREFIX/1f2e3d4c5b6a/{train,valid,test,dataset.json}
    PREFIX/audit/1f2e3d4c5b6a/<class folder>/<file>
"""

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data.candidates import Photo
from training.data.collect import fetch_photos, read_opinions
from training.data.dataset import DataSet
from training.data.digests import file_digest
from training.data.errors import DataError
from training.data.folders import AUDIT, MANIFEST
from training.data.inspection import inspect_all
from training.data.manifest import checked, read_manifest, to_bytes
from training.data.reviewed import BasePhoto, Plan, Rules, make_version
from training.data.upload import make_client, read_json, upload_files, write_json

LATEST = "latest.json"
PHOTOS = "photos"
RULES = Rules()
_VERSION = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Made:
    """What `make` did. `manifest` and `folder` are None where there is no review at all.

    `is_new` tells that the version was not the newest before; `before` is the manifest of that one.
    """

    manifest: dict[str, Any] | None
    folder: Path | None
    is_new: bool
    before: dict[str, Any] | None


# Called with a step's name, and its number of photos; gives what to call after each photo.
Steps = Callable[[str, int], Callable[[], None]]


def no_steps(_what: str, _total: int) -> Callable[[], None]:
    """For whoever shows no progress."""
    return lambda: None


def make(
    base: DataSet,
    stack: str,
    out: Path,
    to: str | None = None,
    rules: Rules = RULES,
    steps: Steps = no_steps,
) -> Made:
    """The version of `base` and the stack's reviews, below `out`; and below `to`, an S3 URI.

    Raises DataError, with what to do.
    """
    client = make_client()
    before = _before(out, to, client)
    bucket, found = read_opinions(stack)
    if not found:
        return Made(before, _folder(out, before), is_new=False, before=before)
    reviewed = fetch_photos(client, bucket, found, out / PHOTOS, steps("fetch", len(found)))
    photos = look_at_base(base, steps("look at the base", len(base.names)))
    plan = make_version(photos, reviewed, before, rules, steps("compare", len(found)))
    folder = out / plan.version
    if not folder.exists():
        write(plan, folder, steps("write", len(plan.files)))
    if to is not None:
        _send(plan, folder, to, client, steps)
    out_latest = out / LATEST
    out_latest.write_text(json.dumps({"version": plan.version}) + "\n", encoding="utf-8")
    is_new = before is None or before["version"] != plan.version
    return Made(plan.manifest, folder, is_new, before)


def look_at_base(base: DataSet, advance: Callable[[], None]) -> list[BasePhoto]:
    """The base's photos with their hashes and fingerprints. Raises DataError at a broken one."""
    label_of = {
        sample.path: base.labels[sample.class_index]
        for samples in base.splits.values()
        for sample in samples
    }
    photos = []
    for seen in inspect_all(base.names, advance):
        if seen.problem or seen.sha256 is None:
            raise DataError(f"{seen.path}: {seen.problem}. `make verify` names all such photos.")
        photo = Photo(seen.path, seen.sha256, seen.prints)
        photos.append(BasePhoto(base.names[seen.path], label_of[seen.path], photo))
    return photos


def write(plan: Plan, folder: Path, advance: Callable[[], None]) -> None:
    """The version's folder, complete or absent. Photos are links to the same bytes where the file
    system can, else copies.
    """
    partial = folder.with_name(folder.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)  # of an earlier run that was stopped
    for name, source in plan.files.items():
        target = partial / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:  # another file system or owner; of a real fault the copy tells
            shutil.copyfile(source, target)
        advance()
    (partial / MANIFEST).write_bytes(to_bytes(plan.manifest))
    partial.rename(folder)


def _before(out: Path, to: str | None, client: Any) -> dict[str, Any] | None:
    """The newest version's manifest: of the folder, or else of S3."""
    if (out / LATEST).exists():
        try:
            latest = json.loads((out / LATEST).read_bytes())
        except ValueError as error:
            raise DataError(f"{out / LATEST} is no JSON: {error}. Remove it.") from error
        return read_manifest(out / _named(latest, str(out / LATEST)))
    if to is None:
        return None
    latest = read_json(to, LATEST, client)
    if latest is None:
        return None
    version = _named(latest, f"{to}/{LATEST}")
    return checked(read_json(f"{to.rstrip('/')}/{version}", MANIFEST, client), f"{to}/{version}")


def _named(latest: Any, where: str) -> str:
    version = latest.get("version") if isinstance(latest, dict) else None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise DataError(f"{where} names no version of 12 hex digits. Remove it.")
    return version


def _folder(out: Path, manifest: dict[str, Any] | None) -> Path | None:
    folder = out / manifest["version"] if manifest else None
    return folder if folder and folder.is_dir() else None


def _send(plan: Plan, folder: Path, to: str, client: Any, steps: Steps) -> None:
    """To S3, latest.json last: a version that it names is there whole, and not sent again."""
    to = to.rstrip("/")
    if read_json(to, LATEST, client) == {"version": plan.version}:
        return
    digests = {each["name"]: each["sha256"] for each in plan.manifest["photos"]}
    split = {n: (folder / n, d) for n, d in digests.items() if not n.startswith(f"{AUDIT}/")}
    split[MANIFEST] = (folder / MANIFEST, file_digest(folder / MANIFEST))
    audit = {
        name.removeprefix(f"{AUDIT}/"): (folder / name, digest)
        for name, digest in digests.items()
        if name.startswith(f"{AUDIT}/")
    }
    advance = steps("upload", len(split) + len(audit))
    upload_files(split, f"{to}/{plan.version}", client, lambda done, total: advance())
    if audit:
        upload_files(audit, f"{to}/{AUDIT}/{plan.version}", client, lambda done, total: advance())
    write_json(to, LATEST, {"version": plan.version}, client)
