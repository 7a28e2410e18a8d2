"""Waiting with a deadline, for tests that must not sleep blindly."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(probe: Callable[[], T | None], timeout_s: float = 60.0) -> T:
    """The first answer of `probe` that is true."""
    deadline = time.monotonic() + timeout_s
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"{probe.__qualname__}: not after {timeout_s:.0f} s"
        time.sleep(0.05)
    return answer
