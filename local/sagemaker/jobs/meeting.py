"""Where the hosts of one job find each other: a port that the toolkit has fixed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from local.sagemaker.jobs.failure import JobFailedError

# sagemaker_training.torch_distributed.MASTER_PORT: on AWS each job has its own machines for it.
PORT = 7777
_POLL_S = 0.2


class Meeting:
    """Jobs of several hosts train one after the other: this machine has the port once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def held(self, stopping: threading.Event) -> Iterator[None]:
        """Wait for the turn, or until `stopping`. Raises JobFailedError for a port in use."""
        taken = False
        while not taken and not stopping.is_set():
            taken = self._lock.acquire(timeout=_POLL_S)
        try:
            if taken:
                _check_free()
            yield
        finally:
            if taken:
                self._lock.release()


def _check_free() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as torchrun's store does
        try:
            probe.bind(("", PORT))
        except OSError as error:
            raise JobFailedError(
                f"InternalServerError: port {PORT} of this machine, where the hosts of a job meet, "
                f"is in use ({error.strerror}). End the program that has it, another local cloud's "
                "job for example, and start the job again."
            ) from error
