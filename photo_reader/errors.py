"""Why a file will never be a picture, however often it is read."""

from enum import StrEnum


class Reason(StrEnum):
    """The code of a refusal. Callers pass it on as it is, to rows and to answers."""

    EMPTY = "EMPTY"
    NOT_AN_IMAGE = "NOT_AN_IMAGE"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    CORRUPT = "CORRUPT"
    TRUNCATED = "TRUNCATED"
    TOO_SLOW = "TOO_SLOW"  # the CPU time allowed for one photo was used up


class PhotoError(Exception):
    """This file will never be read. The same bytes give the same code and the same words."""

    def __init__(self, code: Reason, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def corrupt(message: str) -> PhotoError:
    return PhotoError(Reason.CORRUPT, message)


def truncated(message: str) -> PhotoError:
    return PhotoError(Reason.TRUNCATED, message)


def unsupported(message: str) -> PhotoError:
    return PhotoError(Reason.UNSUPPORTED_FORMAT, message)
