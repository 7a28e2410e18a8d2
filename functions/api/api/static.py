"""The page's files, and the headers that keep it to itself.

A file's address has the release in it, a hash of all files: a browser keeps it for good, and asks
for new ones as soon as the page names another release. The page itself is asked about each time.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from api.answers import etag_of
from api.settings import Settings

FOLDER = Path(__file__).with_name("static")
PAGE = "index.html"
KEPT = "public, max-age=31536000, immutable"  # a year, the longest that caches take seriously
ASKED_ABOUT = "no-cache"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True)
class File:
    content: bytes
    content_type: str
    etag: str


@cache
def read(name: str, folder: Path = FOLDER) -> File | None:
    """A file right in the folder, None when there is none of that name."""
    path = folder / name
    if name != path.name or name.startswith(".") or not path.is_file():
        return None
    content = path.read_bytes()
    kind = _TYPES.get(path.suffix, "application/octet-stream")
    return File(content, kind, etag_of(content))


@cache
def release(folder: Path = FOLDER) -> str:
    """12 hex digits, other ones as soon as any file is another."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if file := read(path.name, folder):
            digest.update(f"{path.name}\0{file.etag}\n".encode())
    return digest.hexdigest()[:12]


@cache
def page(folder: Path = FOLDER) -> File:
    """index.html, which names its files as static/<file>, with the release between the two."""
    content = (
        (folder / PAGE).read_bytes().replace(b'"static/', f'"static/{release(folder)}/'.encode())
    )
    return File(content, _TYPES[".html"], etag_of(content))


def page_headers(settings: Settings) -> Mapping[str, str]:
    """For the page and what it is made of. Pictures and uploads are the bucket's."""
    bucket = settings.origin_of(settings.bucket)
    photos = {bucket, settings.origin_of(settings.backfill_bucket or settings.bucket)}
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' blob: {' '.join(sorted(photos))}",
        "connect-src": f"'self' {bucket}",
        "font-src": "'self'",
        "manifest-src": "'self'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }


def common_headers(settings: Settings) -> Mapping[str, str]:
    """For every answer."""
    headers = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
    if not settings.is_local:
        headers["strict-transport-security"] = "max-age=31536000"
    return headers
