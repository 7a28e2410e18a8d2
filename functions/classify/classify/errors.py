"""The two families of errors, and the machine-readable reasons why a photo is rejected.

A permanent fault ends in a row with status REJECTED; a retryable one sends the message back to the
queue.
"""

from enum import StrEnum


class Reason(StrEnum):
    """The `reason.code` of a REJECTED row."""

    EMPTY = "EMPTY"
    TOO_LARGE = "TOO_LARGE"
    NOT_AN_IMAGE = "NOT_AN_IMAGE"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    CORRUPT = "CORRUPT"
    TRUNCATED = "TRUNCATED"
    TOO_SLOW = "TOO_SLOW"
    MODEL_REFUSED = "MODEL_REFUSED"
    ARCHIVED = "ARCHIVED"
    UNREADABLE = "UNREADABLE"


class PermanentError(Exception):
    """The photo will never be answered, however often it is tried again."""

    def __init__(self, code: Reason, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class ObjectGoneError(Exception):
    """The object (version) was deleted before it was read: nothing is left to say about it."""


class ObjectReplacedError(ObjectGoneError):
    """Another object stands under the key than the one that was listed."""


class PhotoDeletedError(Exception):
    """Nothing is left under this key: no version, or a delete marker above all of them."""


class RowStandsError(Exception):
    """The row speaks of the version that is the current one: there is nothing to answer."""


class RetryableError(Exception):
    """Trying again later may help.

    Throttling, time-outs, 5xx, a missing permission, the unknown.
    """


class EndpointUnavailableError(RetryableError):
    """The endpoint as a whole does not answer: no other photo would fare better just now."""
