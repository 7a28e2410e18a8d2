"""Who asks, by the claims of a token that the gateway has verified."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.problems import ProblemError

GROUP = "reviewers"
WRITE = "predictions/write"


@dataclass(frozen=True)
class Caller:
    """`id` is the person's for good; a name may be given to somebody else one day."""

    id: str
    name: str
    is_person: bool
    groups: frozenset[str] = frozenset()

    def require_writing(self) -> None:
        """The scope is checked by the gateway. Raises ProblemError."""
        if self.is_person and GROUP not in self.groups:
            raise ProblemError(
                403,
                f"Only members of the group {GROUP} may review and upload. Ask who invited you.",
            )


def caller_of(claims: Mapping[str, Any]) -> Caller:
    """Client credentials have no user name; they have no groups either, and need none."""
    if name := claims.get("username", ""):
        groups = claims.get("cognito:groups", "")
        return Caller(claims["sub"], name, True, _groups(groups))
    return Caller(claims["client_id"], claims["client_id"], False)


def _groups(claim: object) -> frozenset[str]:
    """API Gateway makes text of a list, "[reviewers others]"; a token itself has a list."""
    if isinstance(claim, list):
        return frozenset(map(str, claim))
    return frozenset(str(claim).strip("[]").replace(",", " ").split())
