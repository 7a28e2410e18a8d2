"""The guarded process: `python -m photo_reader.worker BUDGET_BYTES CPU_S IS_WHOLE`, see guard.

It reads one request after another from its standard input and answers each on its standard output,
until the input ends. Memory is limited for its whole life (RLIMIT_AS), CPU time for each photo: the
timer's signal ends the process, in whatever library it is.
"""

import os
import resource
import signal
import sys

from photo_reader.errors import PhotoError, corrupt
from photo_reader.here import parsed, read_here
from photo_reader.memory import return_large_blocks
from photo_reader.protocol import (
    REPLY,
    REQUEST,
    SHORT_OF_MEMORY,
    packed_photo,
    packed_refusal,
)


def main() -> None:
    budget_bytes, cpu_s, is_whole = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "1"
    # It ends with its input. A signal to the whole group is for the parent to answer.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # The parent may ignore or block it.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPROF])
    # What libraries print is kept out of the answers and out of logs; Python's errors are not.
    answers = os.fdopen(os.dup(1), "wb")
    sys.stderr = os.fdopen(os.dup(2), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return_large_blocks()
    is_whole = _limit(resource.RLIMIT_AS, budget_bytes) and is_whole
    _limit(resource.RLIMIT_CORE, 0)
    while len(head := sys.stdin.buffer.read(REQUEST.size)) == REQUEST.size:
        least_px, max_pixels, length = REQUEST.unpack(head)
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        kind, body = _answer(length, least_px, max_pixels, is_whole)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(REPLY.pack(kind, len(body)))
        answers.write(body)
        answers.flush()


def _limit(what: int, value: int) -> bool:
    """Whether the limit could be set as asked; a lower one of the parent's stays."""
    if what == resource.RLIMIT_AS and sys.platform != "linux":
        return True  # macOS has it in name only
    _, hard = resource.getrlimit(what)
    lowered = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (lowered, lowered))
    return lowered == value


def _answer(length: int, least_px: int, max_pixels: int, is_whole: bool) -> tuple[int, bytes]:
    try:
        data = _received(length)
        container = parsed(data, max_pixels)
        del data  # what is needed of it has been copied
        return packed_photo(read_here(container, least_px))
    except PhotoError as error:
        return packed_refusal(error)
    except MemoryError:
        if is_whole:
            # The budget has room for every sound photo of the accepted size.
            return packed_refusal(corrupt("its decoder asks for more memory than any photo needs"))
        return SHORT_OF_MEMORY, b"too little memory to decode the photo"


def _received(length: int) -> bytes:
    try:
        return sys.stdin.buffer.read(length)
    except MemoryError:  # nothing is read before there is memory for all of it
        while block := sys.stdin.buffer.read(min(length, 1 << 20)):
            length -= len(block)
        raise


if __name__ == "__main__":
    main()
