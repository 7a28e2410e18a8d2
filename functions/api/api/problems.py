"""Errors that the caller gets to read, as RFC 9457 has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True)
class FieldError:
    field: str
    message: str


@dataclass(eq=False)
class ProblemError(Exception):
    """What went wrong, and what to do about it."""

    status: int
    detail: str
    errors: Sequence[FieldError] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [
                {"field": each.field, "message": each.message} for each in self.errors
            ]
        return body | dict(self.more)


def bad_query(errors: Sequence[FieldError]) -> ProblemError:
    return ProblemError(400, _in_words("The query", errors), errors)


def bad_body(errors: Sequence[FieldError]) -> ProblemError:
    return ProblemError(422, _in_words("The body", errors), errors)


def no_row() -> ProblemError:
    return ProblemError(
        404, "There is no row for this photo: it was not answered yet, or never was."
    )


def unavailable(what: str) -> ProblemError:
    return ProblemError(503, f"{what} Try again in a moment.")


def _in_words(what: str, errors: Sequence[FieldError]) -> str:
    return f"{what} cannot be used: " + "; ".join(f"{e.field} {e.message}" for e in errors) + "."
