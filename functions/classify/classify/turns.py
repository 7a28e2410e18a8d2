"""In which company and in which order uploads are worked on."""

import hashlib
from collections.abc import Iterable, Sequence

from classify.events import Upload

# Two tries in company, for what passes by itself; all others alone.
ALONE_FROM_RECEIVE = 3

# Versions of one key, the newest last. A restored one comes first: whatever was uploaded wins.
Chain = list[Upload]


def in_turn(uploads: Iterable[Upload]) -> tuple[list[Chain], list[Chain]]:
    """What is fresh, to be worked on together; and what failed before, one by one in this order."""
    chains = _chains(uploads)
    fresh = [chain for chain in chains if _receives(chain) < ALONE_FROM_RECEIVE]
    return fresh, _in_order(chain for chain in chains if _receives(chain) >= ALONE_FROM_RECEIVE)


def _chains(uploads: Iterable[Upload]) -> list[Chain]:
    chains: dict[str, Chain] = {}
    for upload in sorted(uploads, key=lambda each: each.sequencer):
        chains.setdefault(upload.image_key, []).append(upload)
    return list(chains.values())


def _receives(chain: Chain) -> int:
    return max(upload.receive_count for upload in chain)


def _in_order(suspects: Iterable[Chain]) -> list[Chain]:
    """In one order at a receive, in the reverse at the next, then in another order.

    What failed in the same company may come back in it. So each has its turn before each of the
    others once in two receives, whichever of them ends the process or takes all the time; where
    several do, one between them waits for another order.
    """
    found: Sequence[Chain] = list(suspects)
    turn = min(map(_receives, found), default=0) - ALONE_FROM_RECEIVE

    def place(chain: Chain) -> bytes:
        # Of the photo alone: it must not change when others of the company are done.
        return hashlib.sha256(f"{turn // 2} {chain[-1].image_key}".encode()).digest()

    return sorted(found, key=place, reverse=turn % 2 == 1)
