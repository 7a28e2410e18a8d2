"""The endpoint under its two hosts, started as in the container: only the package on the path.

Both start from a folder laid out like /opt/ml/model, in an empty working directory, with the
package's own code on PYTHONPATH; what the container's image or the package's wheels bring (they
are for the image's Python) comes from the tests' environment. A `sitecustomize` in that path
writes down every file of the repository that any of the processes opens.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

REPOSITORY = Path(__file__).resolve().parents[3]
START_TIMEOUT_S = 150

# Small limits, so that one process serves the ordinary cases and the refused ones.
LIMITS = {
    "SERVING_MAX_BODY_BYTES": "1000000",
    "SERVING_MAX_INSTANCES": "10",
    "SERVING_MAX_IN_FLIGHT": "12",
    "SERVING_REQUEST_TIMEOUT_S": "8",
    "SERVING_THREADS": "2",
}

SPY = '''
"""Writes down which of the repository's files this process opens (see tests/.../hosts.py)."""
import os, sys
_root, _environment, _log = (os.environ["SPY_" + name] for name in ("ROOT", "VENV", "LOG"))
def _spy(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        path = os.path.abspath(arguments[0])
        if path.startswith(_root + "/") and not path.startswith(_environment + "/"):
            os.write(_descriptor, (path + "\\n").encode())
_descriptor = os.open(_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.write(_descriptor, f"watching {os.getpid()}\\n".encode())
sys.addaudithook(_spy)
'''


@dataclass(frozen=True)
class Container:
    """A folder laid out as in the container, and the environment its processes get."""

    model: Path  # /opt/ml/model
    work: Path  # the working directory
    opened: Path  # what the spy wrote down
    path: tuple[Path, ...]

    def environment(self) -> dict[str, str]:
        """No variable of the test process but what a process needs to live."""
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.work),
            "PYTHONPATH": os.pathsep.join(map(str, self.path)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SPY_ROOT": str(REPOSITORY),
            "SPY_VENV": sys.prefix,
            "SPY_LOG": str(self.opened),
            "RAY_USAGE_STATS_ENABLED": "0",
            # Ray puts unix sockets there, whose paths may not exceed 107 characters.
            "RAY_TMPDIR": str(self.work),
            "RAY_DEFAULT_OBJECT_STORE_MEMORY_BYTES": str(100 * 2**20),
            "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1",
            **LIMITS,
        }

    def repository_files_opened(self) -> list[str]:
        """Files of the repository that the processes opened; the spy must have been at work."""
        lines = self.opened.read_text().splitlines()
        assert any(line.startswith("watching") for line in lines), "the spy was not loaded"
        return [line for line in lines if not line.startswith("watching")]


def lay_out(model: Path, work: Path) -> Container:
    """A container for an unpacked package."""
    spy = work / "spy"
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(SPY)
    return Container(model, work, work / "opened.txt", (spy, model, model / "code"))


@dataclass
class Host:
    """A running endpoint: where callers and (behind an adapter) its own port are, its process."""

    url: str
    own_url: str
    process: subprocess.Popen[bytes]
    log: Path
    container: Container

    @property
    def own_port(self) -> int:
        """Port of `own_url`, for uploads in pieces, which an adapter may collect first."""
        return int(self.own_url.rpartition(":")[2])


StartHost = Callable[[Container], AbstractContextManager[Host]]


@contextlib.contextmanager
def uvicorn_host(container: Container) -> Iterator[Host]:
    """`python -m serving`, as on a laptop."""
    port = free_port()
    arguments = [sys.executable, "-m", "serving", "--model-dir", container.model, "--port", port]
    with spawn(container, list(map(str, arguments)), f"http://127.0.0.1:{port}") as host:
        wait_until_up(host, "/ping")
        yield host


@contextlib.contextmanager
def ray_host(container: Container) -> Iterator[Host]:
    """`serve run config.yaml`, as in AWS's Ray image, behind a stand-in for its adapter."""
    port = free_port()
    config = container.model / "config.yaml"
    config.write_text(re.sub(r"port: \d+", f"port: {port}", config.read_text()))
    serve = str(Path(sys.executable).parent / "serve")
    with (
        spawn(container, [serve, "run", str(config)], f"http://127.0.0.1:{port}") as host,
        adapter(host.url) as url,
    ):
        wait_until_up(host, "/-/healthz")
        host.url = url
        yield host


@contextlib.contextmanager
def spawn(container: Container, command: list[str], url: str) -> Iterator[Host]:
    """Start the process; whatever happens, nothing of it and its children stays behind."""
    log = container.work / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=container.work,
            env=container.environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Host(url, url, process, log, container)
    finally:
        end_descendants(container)
        process.wait(10)


def end_descendants(container: Container) -> None:
    """Kill what is left of this container's processes, known by the log their environment names."""
    mark = f"SPY_LOG={container.opened}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)


class EndedAtStartError(AssertionError):
    """The host's process ended before it answered a health check."""

    def __init__(self, exit_code: int, log: str) -> None:
        super().__init__(f"the host ended at start with exit code {exit_code}:\n{log[-3000:]}")
        self.exit_code = exit_code
        self.log = log


def wait_until_up(host: Host, path: str) -> None:
    """Poll the health check until it answers 200; raises EndedAtStartError if the process ends."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if (exit_code := host.process.poll()) is not None:
            raise EndedAtStartError(exit_code, host.log.read_text())
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(host.url + path, timeout=5, trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"not up in {START_TIMEOUT_S} s:\n{host.log.read_text()[-3000:]}")


def wait_until_closed(host: Host, deadline_s: float = 30) -> None:
    """Poll until the host takes no new request: uvicorn refuses the connection, Ray answers 404.

    The request is one that the application, as long as it is there, answers with 405.
    """
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        try:
            status = httpx.get(host.own_url, timeout=5, trust_env=False).status_code
        except httpx.ConnectError:
            return
        if status == 404:
            return
        time.sleep(0.05)
    raise AssertionError(f"takes requests {deadline_s} s later:\n{host.log.read_text()[-3000:]}")


@contextlib.contextmanager
def adapter(target: str) -> Iterator[str]:
    """AWS's adapter: 8080 -> 8000, /invocations -> /, /ping -> /-/healthz."""
    client = httpx.AsyncClient(base_url=target, timeout=60, trust_env=False)

    async def forward(request: Request) -> Response:
        path = {"/invocations": "/", "/ping": "/-/healthz"}[request.url.path]
        kept = ("content-type", "content-length", "transfer-encoding")
        headers = {name: request.headers[name] for name in kept if name in request.headers}
        answer = await client.request(
            request.method, path, headers=headers, content=request.stream()
        )
        shown = ("content-type", "x-batch-size")
        headers = {name: answer.headers[name] for name in shown if name in answer.headers}
        return Response(answer.content, answer.status_code, headers)

    app = Starlette(
        routes=[
            Route("/ping", forward, methods=["GET"]),
            Route("/invocations", forward, methods=["POST"]),
        ]
    )
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
