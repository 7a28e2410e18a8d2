"""The two kinds of failure: one answered to a caller of an AWS API, one told to the person who
starts the cloud.
"""

from __future__ import annotations

from collections.abc import Mapping


class AwsError(Exception):
    """An error answer in AWS's shape."""

    def __init__(
        self, code: str, message: str, status: int = 400, extra: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.extra = dict(extra or {})


class StartError(Exception):
    """The local cloud cannot start. The message says why and what to do."""
