"""Photos that cost much are read in one process beside this one, whose memory and time are limited.

A thread cannot be ended, a process can. One worker at a time, one photo at a time in it, so that
one large picture is in memory at most; started at the first need, kept for the next photos, and
replaced when it has died. It speaks through pipes alone: no shared memory, no temporary files.

What the worker's end means:

| it | the photo |
|---|---|
| used up its CPU time (the machine being busy does not count) | TOO_SLOW |
| crashed twice, in two workers, each with its whole memory | CORRUPT |
| crashed with less memory than it should have, or was killed (out of memory) | MemoryError |
| gave no answer in time, and was killed; or others had it all the time | TimeoutError |
| could not start | ChildProcessError |
"""

import atexit
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from photo_reader.errors import PhotoError, Reason, corrupt
from photo_reader.photo import Photo
from photo_reader.protocol import REPLY, REQUEST, unpacked

# Address space. The largest accepted picture of the greediest decoder (64 megapixels of WebP) took
# 1,130 MB, Python and the libraries included.
BUDGET_BYTES = 1300 << 20
# The share of a smaller machine that is used instead.
_SHARE_OF_MACHINE = 0.75
# Nearly four times what the slowest acceptable picture took (64 megapixels of HEIC with opacity).
CPU_S = 12.0
# From a photo's turn to its answer, where the caller does not say how long it waits.
WALL_S = 45.0

_CRASHES = {
    -number
    for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
}
# What the dynamic linker and Python need; credentials stay here.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "LANG", "TZ")
_BLOCK = 1 << 20


class _WorkerError(Exception):
    """The worker has ended before it answered."""

    def __init__(self, code: int) -> None:
        super().__init__(f"ended with {code}")
        self.code = code


class _Worker:
    def __init__(self, budget_bytes: int) -> None:
        self.is_whole = budget_bytes >= BUDGET_BYTES
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # Where this process found its modules; one arena, because each takes 64 MB of addresses.
        environment |= {
            "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
            "MALLOC_ARENA_MAX": "1",
        }
        limits = [str(budget_bytes), str(CPU_S), str(int(self.is_whole))]
        # -S: the path is complete, and start-up files are not run a second time.
        command = [sys.executable, "-S", "-P", "-m", "photo_reader.worker", *limits]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            bufsize=0,
        )
        pipes = self.process.stdin, self.process.stdout
        self._in, self._out = (pipe.fileno() for pipe in pipes if pipe)
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)

    def ask(self, request: list[bytes], deadline: float) -> tuple[int, bytes]:
        """Raises _WorkerError, TimeoutError."""
        for part in request:
            self._write(part, deadline)
        kind, length = REPLY.unpack(self._read(REPLY.size, deadline))
        return kind, self._read(length, deadline)

    def _write(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:
            self._wait(self._in, selectors.EVENT_WRITE, deadline)
            try:
                left = left[os.write(self._in, left[:_BLOCK]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise _WorkerError(self.process.wait()) from error

    def _read(self, size: int, deadline: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self._wait(self._out, selectors.EVENT_READ, deadline)
            block = os.read(self._out, min(_BLOCK, size - len(parts)))
            if not block:
                raise _WorkerError(self.process.wait())
            parts += block
        return bytes(parts)

    def _wait(self, pipe: int, event: int, deadline: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, event)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError("the photo was not read within its time")

    def end(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        self.process.kill()
        self.process.wait()


class _Guard:
    """The one worker of this process, and whose turn it is."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.worker: _Worker | None = None

    def running(self) -> _Worker:
        if self.worker and self.worker.process.poll() is not None:
            self.end()
        if not self.worker:
            try:
                self.worker = _Worker(budget_bytes())
            except OSError as error:
                message = f"the process that reads photos cannot be started: {error}"
                raise ChildProcessError(message) from error
        return self.worker

    def end(self) -> None:
        if self.worker:
            self.worker.end()
            self.worker = None

    def forget(self) -> None:
        """In a fork: the worker is the parent's."""
        if self.worker:
            for pipe in (self.worker.process.stdin, self.worker.process.stdout):
                if pipe:
                    pipe.close()
            self.worker.process.returncode = 0
        self.turn = threading.Lock()
        self.worker = None


_guard = _Guard()
atexit.register(_guard.end)
os.register_at_fork(after_in_child=_guard.forget)


def read(data: bytes, least_px: int, max_pixels: int, within_s: float | None = None) -> Photo:
    """Raises what the table above says, and the PhotoErrors of reading.

    `within_s` begins now and includes the turns of others; without it, a turn is waited for as long
    as it takes.
    """
    begun = time.monotonic()
    if not _guard.turn.acquire(timeout=-1 if within_s is None else max(0.0, within_s)):
        raise TimeoutError("other photos were read all the time")
    try:
        now = time.monotonic()
        deadline = now + WALL_S if within_s is None else begun + within_s
        if now >= deadline:
            raise TimeoutError("no time is left to read the photo")
        reply = _answer([REQUEST.pack(least_px, max_pixels, len(data)), data], deadline)
    finally:
        _guard.turn.release()
    return unpacked(*reply)


def _answer(request: list[bytes], deadline: float) -> tuple[int, bytes]:
    """Of this worker, or after a crash of another one."""
    try:
        return _ask(request, deadline)
    except _WorkerError as first:
        if first.code not in _CRASHES:
            raise _judged(first, is_whole=True) from first
    try:
        return _ask(request, deadline)
    except _WorkerError as second:
        raise _judged(second, _is_whole()) from second


def _ask(request: list[bytes], deadline: float) -> tuple[int, bytes]:
    worker = _guard.running()
    try:
        return worker.ask(request, deadline)
    except BaseException:  # whatever it is: an answer that is still to come is nobody's
        _guard.end()
        raise


def _is_whole() -> bool:
    return budget_bytes() >= BUDGET_BYTES


def _judged(death: _WorkerError, is_whole: bool) -> Exception:
    if death.code == -signal.SIGPROF:
        return PhotoError(Reason.TOO_SLOW, f"decoding it takes more than {CPU_S:.0f} s of CPU time")
    if death.code in _CRASHES and is_whole:
        return corrupt("its decoder crashes on it")
    if death.code < 0:
        return MemoryError(f"the process that reads photos was ended by signal {-death.code}")
    return ChildProcessError(f"the process that reads photos ended with exit code {death.code}")


def budget_bytes() -> int:
    """What the worker may have: its share of the machine's memory where that is small."""
    shares = (int(size * _SHARE_OF_MACHINE) for size in _machine_bytes())
    return min([BUDGET_BYTES, *shares])


def _machine_bytes() -> list[int]:
    """The limits that are known: Lambda's, and those of control groups (versions 2 and 1)."""
    limits = []
    if size := os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"):
        limits.append(int(size) << 20)
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            limits.append(int(Path(file).read_text(encoding="ascii")))
    return limits
