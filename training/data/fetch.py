"""Downloading one large file over HTTP: resumed where it was cut, whole or not at all.

Beside the target lie, until it is whole, <name>.part with what has arrived and <name>.part.json
with the version that the server gave it. A later run continues with `Range` and `If-Range` (RFC
9110, sections 13.1.5 and 14.2): where the file has changed, or the server does not do ranges, the
answer is the whole file, and it starts again.
"""

import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from training.data.errors import DataError
from training.data.unpack import check_space

# Attempts without a new byte before giving up, and the pauses between them: 1, 2, 4 ... seconds,
# each shortened at random so that many clients do not come back at once. 15 s in all at most.
ATTEMPTS = 5
_CONNECT_S, _READ_S = 10, 60
_CHUNK = 1 << 18
_RETRIED = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Version:
    """What identifies the file at the server. `size` in bytes is None where it is not told."""

    url: str
    etag: str | None
    last_modified: str | None
    size: int | None

    def validator(self) -> str | None:
        """The value of If-Range. A weak ETag may stand for different bytes, so it does not do."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified


class _CutError(Exception):
    """This attempt ended early; another one may get further."""


def fetch(
    url: str,
    target: Path,
    progress: Callable[[int, int | None], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Version:
    """Download `url` to `target`. `progress` gets the bytes had so far and in all, if known.

    Connection errors, time-outs, cut connections and the answers that HTTP calls temporary are
    tried again, as long as bytes arrive that were not had before. Raises DataError where the server
    refuses, the disk is too small, or nothing more comes.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    furthest, known = _partial(target, url)
    attempt = 0
    while True:
        try:
            version = _attempt(url, target, progress)
            _part(target).rename(target)
            _notes(target).unlink()
            return version
        except requests.exceptions.SSLError as error:  # a certificate does not get better
            raise DataError(f"{url}: no secure connection: {error}") from error
        except (_CutError, requests.ConnectionError, requests.Timeout) as error:
            had, of = _partial(target, url)
            attempt = 1 if had > furthest or of != known else attempt + 1
            furthest, known = (max(had, furthest) if of == known else had), of
            if attempt == ATTEMPTS:
                raise DataError(
                    f"{url}: gave up after {ATTEMPTS} attempts that brought nothing new, with "
                    f"{had:,} bytes here ({error}). Run it again to go on from there."
                ) from error
        except requests.RequestException as error:
            raise DataError(f"{url}: {error}") from error
        sleep(2 ** (attempt - 1) * random.uniform(0.5, 1))


def _attempt(url: str, target: Path, progress: Callable[[int, int | None], None]) -> Version:
    """One request, from where the last one ended. Raises _CutError where that was not enough."""
    start, old = _partial(target, url)
    if old and old.size == start:
        return old  # whole, and stopped before it got its name
    headers = {"Accept-Encoding": "identity"}  # the bytes of the file, not packed on the way
    if old and (validator := old.validator()) and start:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    with requests.get(url, headers=headers, stream=True, timeout=(_CONNECT_S, _READ_S)) as answer:
        _refuse(answer, url)
        if answer.status_code == 200:
            version = _version(answer, url, answer.headers.get("Content-Length"))
            start = 0
        else:
            version = _continued(answer, url, target, old)
        size = version.size
        if size is not None:
            check_space(target.parent, size - start)
        if start == 0:  # before the notes: these must never speak of another version's bytes
            _part(target).write_bytes(b"")
        _notes(target).write_text(json.dumps(asdict(version)), encoding="utf-8")
        had = _receive(answer, _part(target), start, lambda done: progress(done, size))
    if size is not None and had != size:
        raise _CutError(f"{had:,} of {size:,} bytes arrived")
    return version


def _refuse(answer: requests.Response, url: str) -> None:
    """Raise what an answer without the file means."""
    status = answer.status_code
    if status in _RETRIED:
        raise _CutError(f"the server answers {status} {answer.reason}")
    if status not in (200, 206, 416):
        raise DataError(
            f"{url}: the server answers {status} {answer.reason}. Check the address (--url)."
        )
    encoding = answer.headers.get("Content-Encoding", "identity")
    if status != 416 and encoding != "identity":
        raise DataError(f"{url}: the server sends it packed as {encoding}, unasked.")


def _version(answer: requests.Response, url: str, size: str | None) -> Version:
    headers = answer.headers
    return Version(
        url, headers.get("ETag"), headers.get("Last-Modified"), int(size) if size else None
    )


def _continued(answer: requests.Response, url: str, target: Path, old: Version | None) -> Version:
    """The version of a 206, after making sure that it goes on where the part here ends.

    A server that honours If-Range sends nothing else; one that does not must not mix two files.
    """
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    if answer.status_code == 206 and span and int(span[1]) == _part(target).stat().st_size:
        version = _version(answer, url, span[2])
        if version == old:
            return version
    _part(target).unlink()
    raise _CutError("the server does not go on from where the part here ends; starting again")


def _receive(
    answer: requests.Response, part: Path, start: int, progress: Callable[[int], None]
) -> int:
    """Write the body into `part` from byte `start`; returns the bytes that `part` has then."""
    had = start
    with part.open("ab") as file:
        try:
            # read1 gives what has arrived; iter_content would drop the last, incomplete chunk.
            while chunk := answer.raw.read1(_CHUNK):
                file.write(chunk)
                had += len(chunk)
                progress(had)
        except HTTPError as error:
            raise _CutError(f"the connection was cut: {error}") from error
    return had


def _partial(target: Path, url: str) -> tuple[int, Version | None]:
    """The bytes that an earlier attempt left, and of which version they are."""
    try:
        version = Version(**json.loads(_notes(target).read_text(encoding="utf-8")))
        size = _part(target).stat().st_size
    except (FileNotFoundError, ValueError, TypeError):  # none, or its notes were cut off
        return 0, None
    return (size, version) if version.url == url else (0, None)


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _notes(target: Path) -> Path:
    return target.with_name(target.name + ".part.json")
