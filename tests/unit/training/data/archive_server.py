"""An HTTP server with one file and the faults that downloads meet."""

from __future__ import annotations

import hashlib
import io
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Site:
    """What the server does. `requests` and `conditions` are the Range and If-Range headers (or
    None) that it got."""

    content: bytes
    url: str = ""
    etag: str | None = None  # None: made from the content
    send_etag: bool = True
    send_length: bool = True
    ranges: bool = True
    honours_if_range: bool = True
    # One entry a request, the last one for all that follow: how many bytes to send before the
    # connection is cut, or None for all of them.
    cuts: list[int | None] = field(default_factory=lambda: [None])
    statuses: list[int] = field(default_factory=list)  # errors to answer first
    requests: list[str | None] = field(default_factory=list)
    conditions: list[str | None] = field(default_factory=list)

    def current_etag(self) -> str:
        return self.etag or f'"{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}"'

    def next_cut(self) -> int | None:
        return self.cuts.pop(0) if len(self.cuts) > 1 else self.cuts[0]


@contextmanager
def serving(content: bytes) -> Iterator[Site]:
    """A server for `content` on a free port of this machine."""
    site = Site(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, site)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_address[1]}/dogImages.zip"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, site: Site) -> None:
    asked = handler.headers.get("Range")
    site.requests.append(asked)
    if site.statuses:
        handler.send_error(site.statuses.pop(0))
        return
    start = int(match[1]) if (match := re.fullmatch(r"bytes=(\d+)-", asked or "")) else 0
    condition = handler.headers.get("If-Range")
    site.conditions.append(condition)
    stale = site.honours_if_range and condition not in (None, site.current_etag())
    if not asked or not site.ranges or stale:
        start = 0
        handler.send_response(200)
    elif start >= len(site.content):
        handler.send_error(416)
        return
    else:
        handler.send_response(206)
        size = len(site.content)
        handler.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
    body = site.content[start:]
    if site.send_etag:
        handler.send_header("ETag", site.current_etag())
    if site.send_length:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: site.next_cut()])


def archive(
    files: Mapping[str, bytes],
    links: Mapping[str, str] | None = None,
    method: int = zipfile.ZIP_STORED,
) -> bytes:
    """A zip of the files, and of symbolic links by the names of their targets."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in files.items():
            file.writestr(name, content)
        for name, target in (links or {}).items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            file.writestr(entry, target)
    return buffer.getvalue()
