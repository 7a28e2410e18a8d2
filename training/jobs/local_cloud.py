"""Whether a client talks to the local cloud, whose counts and logs are exact at once."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit


def is_local(client: Any) -> bool:
    return urlsplit(client.meta.endpoint_url).hostname in ("127.0.0.1", "localhost")
