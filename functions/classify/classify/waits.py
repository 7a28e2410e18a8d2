"""How long a photo waits for its next try: seconds at first, then longer and longer."""

import random
from collections.abc import Callable

# A quarter of the wait is left to chance, so that what failed together does not come back together.
# The template's maxReceiveCount is computed from the shortest waits and the longest.
SHORTEST_SHARE = 0.75


def wait_s(
    receive_count: int,
    first_s: float,
    longest_s: float,
    chance: Callable[[], float] = random.random,
) -> int:
    """Whole seconds to wait after the `receive_count`th try failed (1 = the first), at least 1.

    `chance` gives a number from 0 to 1.
    """
    longest_now_s = min(longest_s, first_s * 2.0 ** min(receive_count - 1, 60))
    share = SHORTEST_SHARE + (1 - SHORTEST_SHARE) * chance()
    return max(1, round(longest_now_s * share))
