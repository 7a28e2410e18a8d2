"""What a download asks the server for, how long it waits, and what it makes of each answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.unit.training.data.archive_server import Site, serving
from training.data import fetch as fetching
from training.data.errors import DataError
from training.data.fetch import ATTEMPTS, Version, fetch

CONTENT = bytes(range(256)) * 8


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(CONTENT) as running:
        yield running


def no_progress(done: int, total: int | None) -> None:
    pass


def fetched(site: Site, target: Path) -> list[float]:
    """Fetch without waiting; returns the pauses that would have been made."""
    pauses: list[float] = []
    fetch(site.url, target, no_progress, pauses.append)
    return pauses


def left_behind(target: Path, content: bytes, **version: Any) -> None:
    """What a stopped run leaves."""
    notes = {"url": "", "etag": None, "last_modified": None, "size": len(CONTENT), **version}
    target.with_name(target.name + ".part").write_bytes(content)
    target.with_name(target.name + ".part.json").write_text(json.dumps(notes))


class Asked:
    """Notes every request, and passes it on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: list[dict[str, Any]] = []
        self.get = requests.get
        monkeypatch.setattr(requests, "get", self)

    def __call__(self, url: str, **options: Any) -> requests.Response:
        self.requests.append(options)
        return self.get(url, **options)


def test_request_is_for_the_bytes_as_they_are_and_waits_10_and_60_s(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch)

    fetched(site, tmp_path / "x")

    assert asked.requests == [
        {"headers": {"Accept-Encoding": "identity"}, "stream": True, "timeout": (10, 60)}
    ]


def test_version_and_progress_are_those_of_the_answer(site: Site, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []

    version = fetch(site.url, tmp_path / "deep" / "er" / "x", lambda *now: told.append(now))

    assert version == Version(site.url, site.current_etag(), None, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize(
    ("etag", "modified", "validator"),
    [
        ('"strong"', "yesterday", '"strong"'),
        ('W/"weak"', "yesterday", "yesterday"),
        ('W/"weak"', None, None),
        (None, "yesterday", "yesterday"),
        (None, None, None),
    ],
)
def test_part_is_continued_by_a_strong_etag_or_else_by_its_date(
    etag: str | None, modified: str | None, validator: str | None
) -> None:
    assert Version("u", etag, modified, 1).validator() == validator


def test_notes_of_nothing_received_yet_ask_for_the_whole_file(site: Site, tmp_path: Path) -> None:
    left_behind(tmp_path / "x", b"", url=site.url, etag=site.current_etag())

    fetched(site, tmp_path / "x")

    assert site.requests == [None]
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_part_without_notes_or_with_others_is_not_trusted(site: Site, tmp_path: Path) -> None:
    left_behind(tmp_path / "x", b"?" * 10, url=site.url, etag=site.current_etag(), more=1)
    fetched(site, tmp_path / "x")
    (tmp_path / "y.part").write_bytes(b"?" * 10)
    fetched(site, tmp_path / "y")

    assert site.requests == [None, None]
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes() == CONTENT


def test_disk_must_hold_what_is_still_to_come(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed: list[tuple[Path, int]] = []
    monkeypatch.setattr(fetching, "check_space", lambda *asked: needed.append(asked))
    left_behind(tmp_path / "x", CONTENT[:1000], url=site.url, etag=site.current_etag())

    fetched(site, tmp_path / "x")
    fetched(site, tmp_path / "y")

    assert needed == [(tmp_path, len(CONTENT) - 1000), (tmp_path, len(CONTENT))]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_every_answer_that_http_calls_temporary_is_tried_again(
    status: int, site: Site, tmp_path: Path
) -> None:
    site.statuses = [status]

    assert len(fetched(site, tmp_path / "x")) == 1
    assert (tmp_path / "x").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [400, 401, 404, 501, 505])
def test_every_other_answer_is_final_and_names_the_address(
    status: int, site: Site, tmp_path: Path
) -> None:
    site.statuses = [status]
    with pytest.raises(DataError, match=rf"dogImages\.zip: the server answers {status} .*--url"):
        fetched(site, tmp_path / "x")
    assert len(site.requests) == 1


def test_five_attempts_without_a_byte_are_made_with_doubling_pauses(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching.random, "uniform", lambda low, high: (low + 2 * high) / 3)
    site.statuses = [503] * 99
    pauses: list[float] = []

    with pytest.raises(DataError, match=r"gave up after 5 attempts .* with 0 bytes here"):
        fetch(site.url, tmp_path / "x", no_progress, pauses.append)

    assert ATTEMPTS == len(site.requests) == 5
    assert pauses == pytest.approx([5 / 6 * 2**n for n in range(4)])


def test_attempts_count_anew_once_something_came(site: Site, tmp_path: Path) -> None:
    site.statuses = [503] * 3
    site.cuts = [10, 10, None]

    pauses = fetched(site, tmp_path / "x")

    assert [pause <= 2**n for n, pause in enumerate(pauses[:3])] == [True] * 3
    assert pauses[2] > 1
    assert all(pause <= 1 for pause in pauses[3:])
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_certificate_that_fails_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def refuse(url: str, **_: Any) -> None:
        calls.append(url)
        raise requests.exceptions.SSLError("self-signed")

    monkeypatch.setattr(requests, "get", refuse)
    with pytest.raises(DataError, match="no secure connection: self-signed"):
        fetch("https://x", tmp_path / "x", no_progress)
    assert calls == ["https://x"]


@pytest.mark.parametrize("fault", [requests.ConnectionError("gone"), requests.ReadTimeout("slow")])
def test_connection_that_fails_is_tried_again(
    fault: Exception, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults, get = [fault], requests.get

    def once(url: str, **options: Any) -> requests.Response:
        if faults:
            raise faults.pop()
        return get(url, **options)

    monkeypatch.setattr(requests, "get", once)
    assert len(fetched(site, tmp_path / "x")) == 1


class Answer:
    """A response with nothing but its head."""

    def __init__(self, status: int, **headers: str) -> None:
        self.status_code, self.reason = status, "reason"
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def test_file_that_comes_packed_is_refused() -> None:
    with pytest.raises(DataError, match="packed as gzip, unasked"):
        fetching._refuse(Answer(200, Content_Encoding="gzip"), "u")  # type: ignore[arg-type]
    fetching._refuse(Answer(200, Content_Encoding="identity"), "u")  # type: ignore[arg-type]
    fetching._refuse(Answer(416, Content_Encoding="gzip"), "u")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "span", "etag", "continued"),
    [
        (206, "bytes 4-9/10", "e", True),
        (206, "bytes 3-9/10", "e", False),
        (206, "bytes 4-9/11", "e", False),
        (206, "bytes 4-9/10", "other", False),
        (206, "bytes 4-9/*", "e", False),
        (416, "bytes 4-9/10", "e", False),
    ],
)
def test_part_is_continued_only_where_it_ends_and_by_the_same_version(
    status: int, span: str, etag: str, continued: bool, tmp_path: Path
) -> None:
    target, old = tmp_path / "x", Version("u", "e", "date", 10)
    left_behind(target, b"1234")
    answer: Any = Answer(status, Content_Range=span, ETag=etag, Last_Modified="date")

    if continued:
        assert fetching._continued(answer, "u", target, old) == old
    else:
        with pytest.raises(fetching._CutError, match="starting again"):
            fetching._continued(answer, "u", target, old)
    assert (tmp_path / "x.part").exists() is continued
