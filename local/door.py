"""Who may knock: a request that a web page of another origin sent is refused.

Nothing on this port asks for a credential, and some of it runs code (CreateTrainingJob,
CreateFunction). A browser would carry such requests here for any page that is open in it. So:

- Host must name this machine. A name of anybody's own, made to resolve to 127.0.0.1 (DNS
  rebinding), turns a foreign page into one of the same origin; the browser still sends that name.
- A page must have come from this same port. A page of another port of this machine is another
  program's, which may show what it got from anywhere (a notebook, a development server).

Origin, Referer and Sec-Fetch-Site are the browser's own: no page can set them (Fetch Standard,
"Forbidden request-header"). sam, aws and the SDKs send none of the three.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?")
_HTTP_PORT = 80
# Sec-Fetch-Site of what a page of this very origin sent, and of an address that a person typed.
_OWN_SITES = {"same-origin", "none"}


class Authority(NamedTuple):
    """Where a request went or a page came from."""

    name: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Authority | None:
        """`text` as in a Host header, or None where it is not one host with or without a port."""
        found = _AUTHORITY.fullmatch(text.strip().lower())
        return cls(found[1], int(found[2] or _HTTP_PORT)) if found else None

    @property
    def is_loopback(self) -> bool:
        """Whether no name server can lead this name to another machine.

        Names below the two are those of buckets and of APIs (photos.localhost,
        a1b2c3d4.execute-api.127.0.0.1).
        """
        if self.name == "localhost" or self.name.endswith((".localhost", ".127.0.0.1")):
            return True
        try:
            return ipaddress.ip_address(self.name.strip("[]")).is_loopback
        except ValueError:
            return False


def refusal(target: str, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Why the request is not answered, or None where it may pass.

    `target` is the request's target before any decoding, `headers` as ASGI has them.
    """
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    if not target.startswith("/"):
        return f"The request's target {target[:100]!r} is not a path: this is not a proxy."
    hosts = values.get("host", [])
    host = Authority.parse(hosts[0]) if len(hosts) == 1 else None
    if host is None or not host.is_loopback:
        return (
            f"The local cloud answers to 127.0.0.1 and localhost, not to {', '.join(hosts)[:100]!r}"
            " (the Host header)."
        )
    return _page_refusal(host, values)


def _page_refusal(host: Authority, values: dict[str, list[str]]) -> str | None:
    site = values.get("sec-fetch-site", [""])[-1]
    origins = values.get("origin", [])
    if origins == ["null"] and site == "same-origin":
        origins = []  # a form of a page that hides its address (Referrer-Policy: no-referrer)
    # Browsers send no Origin with images, scripts and links. Where they do not say either how far
    # the page is away (before 2023), the page's address tells.
    pages = origins or ([] if site else values.get("referer", []))
    if not pages and (not site or site in _OWN_SITES):
        return None
    if pages and all(_is_own(page, host) for page in pages):
        return None
    return (
        f"The local cloud takes no request from a page of another origin ({site or pages[0][:100]})"
        f"; pages of its own come from port {host.port} of this machine."
    )


def _is_own(page: str, host: Authority) -> bool:
    """Whether the page's address (an origin or a whole URL) leads to where the request went."""
    try:
        parts = urlsplit(page)
    except ValueError:
        return False
    origin = Authority.parse(parts.netloc)
    return (
        parts.scheme == "http"
        and origin is not None
        and origin.is_loopback
        and origin.port == host.port
    )
