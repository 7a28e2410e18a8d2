"""Where the demo's pictures come from: ranges of an archive, the user's folder, drawings."""

from __future__ import annotations

import io
import re
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tours.demo import photos

BREEDS = 12
PADDING = b"\0" * 3_000_000


def _archive() -> bytes:
    """dogImages in small: one test photo a breed, and three megabytes that nobody should fetch."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("dogImages/train/001.Affenpinscher/big.jpg", PADDING)
        for number in range(BREEDS):
            name = f"dogImages/test/{number:03}.Breed_{number}/Breed_{number}_1.jpg"
            archive.writestr(name, f"photo {number}".encode() * 100)
    return out.getvalue()


class _Server(ThreadingHTTPServer):
    """Serves the archive, with ranges or (`ranges=False`) without, and counts the bytes it sent."""

    def __init__(self, ranges: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.ranges, self.sent = _archive(), ranges, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/dogImages.zip"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal of the tests."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()

    def do_GET(self) -> None:
        content, status = self.server.content, 200
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted and self.server.ranges:
            content, status = content[int(wanted[1]) : int(wanted[2]) + 1], 206
        self.server.sent += len(content)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[_Server]:
    server = _Server(ranges=getattr(request, "param", True))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_archive_gives_photos_of_different_breeds_without_being_downloaded(
    server: _Server, tmp_path: Path
) -> None:
    got = photos.from_archive(tmp_path / "photos", server.url, count=4)
    assert len(got.files) == len({path.name for path in got.files}) == 4
    assert all(path.read_bytes().startswith(b"photo ") for path in got.files)
    assert server.sent < len(PADDING) / 2


def test_photos_kept_from_an_earlier_run_need_no_server(server: _Server, tmp_path: Path) -> None:
    first = photos.from_archive(tmp_path, server.url, count=4)
    again = photos.from_archive(tmp_path, "http://127.0.0.1:1/gone.zip", count=4)
    assert again.files == first.files


@pytest.mark.parametrize("server", [False], indirect=True)
def test_server_without_ranges_is_refused_not_downloaded(server: _Server, tmp_path: Path) -> None:
    with pytest.raises(httpx.HTTPError, match="range requests"):
        photos.from_archive(tmp_path, server.url, count=4)
    assert not list(tmp_path.iterdir())


def test_no_server_is_an_error_the_demo_knows(tmp_path: Path) -> None:
    with pytest.raises(httpx.HTTPError):
        photos.from_archive(tmp_path, "http://127.0.0.1:1/dogImages.zip")


def test_time_limit_used_up_is_an_error_the_demo_knows(
    server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "ARCHIVE_TIME_LIMIT_S", 0.0)
    with pytest.raises(httpx.TimeoutException, match="not read within"):
        photos.from_archive(tmp_path, server.url)


def test_users_folder_gives_every_file_below_it(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.txt", "a.jpg", "deep/er/c d+é.png"):
        (tmp_path / name).write_bytes(b"x")
    got = photos.from_user(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in got.files] == [
        "a.jpg",
        "b.txt",
        "deep/er/c d+é.png",
    ]


@pytest.mark.parametrize("make", [False, True])
def test_missing_or_empty_folder_says_what_to_do(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "photos"
    if make:
        folder.mkdir()
    with pytest.raises(photos.PhotosError, match=r"PHOTOS=.*photos"):
        photos.from_user(folder)


def test_drawings_are_pictures_and_say_that_they_are_no_photos(tmp_path: Path) -> None:
    got = photos.drawn(tmp_path, 4)
    assert "NOT photos" in got.source
    sizes = set()
    for path in got.files:
        with Image.open(path) as picture:
            sizes.add(picture.size)
    assert sizes == {(480, 360)}
