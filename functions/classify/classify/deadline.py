"""How much of the invocation's time is left, and whether it is enough to start something."""

from collections.abc import Callable
from dataclasses import dataclass

from classify.errors import RetryableError


@dataclass(frozen=True)
class Deadline:
    """`remaining_ms` is Lambda's context.get_remaining_time_in_millis."""

    remaining_ms: Callable[[], int]

    def remaining_s(self) -> float:
        return self.remaining_ms() / 1000

    def require(self, needed_s: float, doing: str) -> None:
        """Raises RetryableError when less than `needed_s` seconds are left."""
        left_s = self.remaining_s()
        if left_s < needed_s:
            raise RetryableError(
                f"too little time for {doing}: {left_s:.1f} s left, {needed_s:g} s may be needed"
            )
