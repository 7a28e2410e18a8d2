"""Where the hosts of one job find each other: a port that the toolkit has fixed."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from local.sagemaker.jobs.failure import JobFailedError

logger = logging.getLogger(__name__)

# sagemaker_training.torch_distributed.MASTER_PORT: on AWS each job has its own machines for it.
PORT = 7777
# Another local cloud's job may have the port. It is waited for as long as a short training takes.
PATIENCE_S = 900.0
_POLL_S = 0.2


class Meeting:
    """Jobs of several hosts train one after the other: this machine has the port once."""

    def __init__(self, port: int = PORT, patience_s: float = PATIENCE_S) -> None:
        self._port = port
        self._patience_s = patience_s
        self._lock = threading.Lock()

    @contextmanager
    def held(self, stopping: threading.Event) -> Iterator[None]:
        """Wait for the turn, or until `stopping`. Raises JobFailedError for a port in use."""
        taken = False
        while not taken and not stopping.is_set():
            taken = self._lock.acquire(timeout=_POLL_S)
        try:
            if taken:
                self._wait_for_port(stopping)
            yield
        finally:
            if taken:
                self._lock.release()

    def _wait_for_port(self, stopping: threading.Event) -> None:
        deadline, told = time.monotonic() + self._patience_s, False
        while (reason := _in_use(self._port)) and not stopping.is_set():
            if time.monotonic() > deadline:
                raise JobFailedError(
                    f"InternalServerError: port {self._port} of this machine, where the hosts of a "
                    f"job meet, stayed in use for {self._patience_s:.0f} s ({reason}). End the "
                    "program that has it, and start the job again."
                )
            if not told:
                logger.warning("a job of several hosts waits for port %d: %s", self._port, reason)
                told = True
            stopping.wait(_POLL_S)


def _in_use(port: int) -> str | None:
    """Why the port cannot be had; None where it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as torchrun's store does
        try:
            probe.bind(("", port))
        except OSError as error:
            return error.strerror
    return None
