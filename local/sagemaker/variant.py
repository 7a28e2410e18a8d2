"""One production variant in service: its serving process, kept alive, and the requests in flight to
it.

Whatever the variant's instance count says, a laptop runs one process.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import urllib3

from local.children import listening_port
from local.sagemaker.container import ContainerFiles, ContainerProcess, ProcessFailedError
from local.settings import HOST, container_environment

logger = logging.getLogger(__name__)

MAX_RESTARTS = 8  # in a row; 1 + 2 + 4 + ... + 30 s is two and a half minutes of trying
_MAX_BACKOFF_S = 30.0
_STEADY_S = 60.0  # a process that lived this long starts the count again
_DRAIN_S = 60.0
_INVOKE_TIMEOUT_S = 60.0
_CONNECT_TIMEOUT_S = 5.0
# SageMaker's own default is minutes because it also starts an instance; a process here needs a
# second or two.
DEFAULT_START_TIMEOUT_S = 180.0
_STOP_GRACE_S = 10.0
_PING_TIMEOUT_S = 2.0


class NotReadyError(Exception):
    """The process is down or not ready yet."""


class ServingProcess(ContainerProcess):
    """`python -m serving` on the container's model."""

    def __init__(self, python: Path, files: ContainerFiles, variables: dict[str, str]) -> None:
        self._port: int | None = None
        environment = container_environment(os.environ) | variables
        environment["PYTHONPATH"] = str(files.model / "code")
        command = [str(python), "-m", "serving", "--model-dir", str(files.model), "--port", "0"]
        super().__init__(command, files, environment)

    @property
    def port(self) -> int | None:
        """Where it listens, which it chooses itself; None until it does."""
        if self._port is None and self.alive:
            self._port = listening_port(self.pid)
        return self._port

    def wait_ready(self, timeout_s: float) -> None:
        """Poll /ping until it answers 200. Raises ProcessFailedError."""
        deadline = time.monotonic() + timeout_s
        with urllib3.PoolManager(retries=False, timeout=_PING_TIMEOUT_S) as http:
            while time.monotonic() < deadline:
                if not self.alive:
                    raise ProcessFailedError(self.last_words())
                if self.port is not None and self._ping(http):
                    return
                time.sleep(0.05)
        raise ProcessFailedError(
            f"no answer to /ping within {timeout_s:.0f} s. {self.last_words()}".strip()
        )

    def _ping(self, http: urllib3.PoolManager) -> bool:
        try:
            return http.request("GET", f"http://{HOST}:{self.port}/ping").status == 200
        except urllib3.exceptions.HTTPError:
            return False  # busy loading, or ended

    def stop(self) -> None:
        """SIGTERM, which lets it finish what is in flight; SIGKILL after a grace period."""
        self.end(_STOP_GRACE_S)
        self.clear()


class Variant:
    """Thread-safe. Started, it is kept alive by a thread of its own until it is stopped."""

    def __init__(
        self,
        name: str,
        weight: float,
        files: ContainerFiles,
        python: Path,
        variables: dict[str, str],
        start_timeout_s: float,
        gave_up: Callable[[str], None],
    ) -> None:
        self.name = name
        self.weight = weight
        self.files = files
        self._python = python
        self._variables = variables
        self._start_timeout_s = start_timeout_s
        self._gave_up = gave_up
        self._changed = threading.Condition()
        self._process: ServingProcess | None = None
        self._http: urllib3.HTTPConnectionPool | None = None
        self._in_flight = 0
        self.requests = 0
        self.server_errors = 0
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises ProcessFailedError, with nothing left running.
        """
        process = self._spawn()
        threading.Thread(
            target=self._watch, args=(process,), daemon=True, name=f"watch-{self.name}"
        ).start()

    def stop(self) -> None:
        """Take no new requests, let those in flight finish, end the process."""
        self._stopping.set()
        with self._changed:
            http, self._http = self._http, None
            self._changed.wait_for(lambda: self._in_flight == 0, timeout=_DRAIN_S)
            process = self._process
        if process is not None:
            process.stop()
        if http is not None:
            http.close()

    def invoke(self, body: bytes, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """One POST /invocations. Raises NotReadyError and urllib3's HTTPError."""
        reply: urllib3.BaseHTTPResponse | None = None
        try:
            reply = self._request(body, headers)
        finally:
            if reply is None or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                with self._changed:
                    self.server_errors += 1
        return reply

    def _request(self, body: bytes, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        with self._connection() as http:
            return http.request(
                "POST",
                "/invocations",
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT_S, read=_INVOKE_TIMEOUT_S),
            )

    @contextmanager
    def _connection(self) -> Iterator[urllib3.HTTPConnectionPool]:
        with self._changed:
            http = self._http
            if http is None:
                raise NotReadyError(self.name)
            self.requests += 1
            self._in_flight += 1
        try:
            yield http
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def _spawn(self) -> ServingProcess:
        process = ServingProcess(self._python, self.files, self._variables)
        with self._changed:
            self._process = process
        try:
            if self._stopping.is_set():
                raise ProcessFailedError("stopped before it was ready")
            process.wait_ready(self._start_timeout_s)
        except ProcessFailedError:
            process.stop()
            raise
        with self._changed:
            self._http = urllib3.HTTPConnectionPool(HOST, process.port, maxsize=32, block=False)
        return process

    def _watch(self, process: ServingProcess) -> None:
        failures = 0
        while True:
            started = time.monotonic()
            process.wait()
            if self._stopping.is_set():
                return
            with self._changed:
                self._http = None
            if time.monotonic() - started > _STEADY_S:
                failures = 0
            logger.warning(
                "serving process %s of %s died: %s", process.pid, self.name, process.last_words()
            )
            restarted = self._restart(failures)
            if restarted is None:
                return
            process, failures = restarted

    def _restart(self, failures: int) -> tuple[ServingProcess, int] | None:
        """The new process and the count of failures so far, or None when stopped or given up."""
        words = "it died again and again"
        while failures < MAX_RESTARTS:
            failures += 1
            if self._stopping.wait(min(2.0 ** (failures - 2), _MAX_BACKOFF_S)):
                return None
            try:
                return self._spawn(), failures
            except ProcessFailedError as error:
                words = str(error)
                logger.warning("restart %d of %s failed: %s", failures, self.name, words)
        if not self._stopping.is_set():
            self._gave_up(words)
        return None
