"""The endpoint under its hosts, started as in the container: only the package on the path.

uvicorn is the laptop's and the slim image's (test_image.py has that one whole), Ray Serve that of
AWS's image, in the order in which its entrypoint starts it.

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

REPOSITORY = Path(__file__).resolve().parents[1]
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
"""Writes down which of the repository's files this process opens (see rigs/hosts.py)."""
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
    more: Mapping[str, str] = field(default_factory=dict)  # of the environment

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
            **self.more,
        }

    def repository_files_opened(self) -> list[str]:
        """Files of the repository that the processes opened; the spy must have been at work."""
        lines = self.opened.read_text().splitlines()
        assert any(line.startswith("watching") for line in lines), "the spy was not loaded"
        return [line for line in lines if not line.startswith("watching")]


def lay_out(model: Path, work: Path, more: Mapping[str, str] | None = None) -> Container:
    """A container for an unpacked package; `more` is added to its environment."""
    spy = work / "spy"
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(SPY)
    path = (spy, model, model / "code")
    return Container(model, work, work / "opened.txt", path, more or {})


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
    """As AWS's entrypoint starts Ray Serve, behind a stand-in for its adapter.

    Ray and its HTTP proxy are there before `serve run` is (aws/deep-learning-containers,
    scripts/docker/ray/sagemaker_entrypoint.sh), which then ignores the http_options of config.yaml.
    Ours has ports of its own, and does not listen to the network.
    """
    ray_port, port = free_port(), free_port()
    # Or else `serve` looks for any Ray on this machine.
    address = {"RAY_ADDRESS": f"127.0.0.1:{ray_port}"}
    container = replace(container, more={**container.more, **address})
    with contextlib.ExitStack() as stack:
        stack.callback(end_descendants, container)
        start = ["ray", "start", "--head", f"--port={ray_port}", "--node-ip-address=127.0.0.1",
                 "--include-dashboard=False", "--num-gpus=0",
                 f"--dashboard-agent-listen-port={free_port()}",
                 f"--ray-client-server-port={free_port()}"]  # fmt: skip
        finish(container, start)
        finish(container, ["serve", "start", "--http-host=127.0.0.1", f"--http-port={port}"])
        run = [script("serve"), "run", str(container.model / "config.yaml")]
        host = stack.enter_context(spawn(container, run, f"http://127.0.0.1:{port}"))
        url = stack.enter_context(adapter(host.url))
        wait_until_up(host, "/-/healthz")
        host.url = url
        yield host


@contextlib.contextmanager
def serve_run_host(container: Container) -> Iterator[Host]:
    """`serve run config.yaml` alone, which starts a Ray of its own, and its HTTP proxy."""
    port = free_port()
    config = container.model / "config.yaml"
    config.write_text(re.sub(r"port: \d+", f"port: {port}", config.read_text()))
    command = [script("serve"), "run", str(config)]
    with spawn(container, command, f"http://127.0.0.1:{port}") as host:
        wait_until_up(host, "/-/healthz")
        yield host


def script(name: str) -> str:
    """A command of the tests' environment."""
    return str(Path(sys.executable).parent / name)


def finish(container: Container, command: list[str]) -> None:
    """Run a step that ends; raises AssertionError with its words if it fails."""
    words = [script(command[0]), *command[1:]]
    # To a file: what it leaves running would keep a pipe open.
    log = container.work / "steps.txt"
    with log.open("ab") as output:
        ended = subprocess.run(
            words, cwd=container.work, env=container.environment(), stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, timeout=START_TIMEOUT_S,
        )  # fmt: skip
    assert ended.returncode == 0, f"{' '.join(command)}:\n{log.read_text()[-3000:]}"


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
    """A stand-in for AWS's adapter: 8080 -> 8000, /invocations -> /, /ping -> /-/healthz.

    It collects a request's body, and of headers it passes on the content type and SageMaker's own
    alone, in both directions (aws/deep-learning-containers, scripts/docker/ray/sagemaker_serve.py).
    """
    client = httpx.AsyncClient(base_url=target, timeout=60, trust_env=False)

    def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
        return {
            name: value
            for name, value in headers.items()
            if name.lower() == "content-type" or name.lower().startswith("x-amzn-sagemaker-")
        }

    async def invoke(request: Request) -> Response:
        body = await request.body()
        answer = await client.post("/", headers=passed_on(request.headers), content=body)
        return Response(answer.content, answer.status_code, passed_on(answer.headers))

    async def ping(request: Request) -> Response:
        healthy = (await client.get("/-/healthz")).status_code == 200
        return Response(status_code=200 if healthy else 503)

    app = Starlette(
        routes=[
            Route("/ping", ping, methods=["GET"]),
            Route("/invocations", invoke, methods=["POST"]),
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
