"""A local cloud as a child process: what `make demo`, the tests and the benchmarks share.

Runs in the project's environment (boto3 is there); the cloud itself runs in the emulator's.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import boto3
import httpx
from botocore.config import Config

from local.children import descendants, signal_all
from local.environment import variables
from local.settings import HOST

ROOT = Path(__file__).resolve().parents[1]
EMULATOR_PYTHON = ROOT / ".venv" / "emulator" / "bin" / "python"
START_S = 60.0
STOP_S = 30.0
POLL_S = 0.05


class CloudError(Exception):
    """The cloud did not start; the words are its own last ones."""


def free_port() -> int:
    """A port of the loopback interface that nothing listens on at this moment."""
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


class Cloud:
    """A local cloud with its state in `state_dir`.

    `worker_endpoint_url` is what its Lambda workers call instead of the cloud itself, `job_python`
    the interpreter of its training jobs.
    """

    def __init__(
        self,
        state_dir: Path,
        worker_endpoint_url: str | None = None,
        port: int | None = None,
        job_python: Path | None = None,
    ) -> None:
        self.state_dir = state_dir
        self.port = port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._worker_endpoint_url = worker_endpoint_url
        self._job_python = job_python
        self._output = state_dir.with_name(state_dir.name + ".out")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers. Raises CloudError when it ends or stays silent."""
        self.state_dir.mkdir(parents=True, exist_ok=True)
        with self._output.open("wb") as output:
            self._process = self._spawn(output)
        deadline = time.monotonic() + START_S
        while not self.is_up():
            if self._process.poll() is not None:
                raise CloudError(f"The local cloud ended while starting:\n{self.output()}")
            if time.monotonic() > deadline:
                self.stop()
                raise CloudError(f"The local cloud is silent for {START_S:.0f} s:\n{self.output()}")
            time.sleep(POLL_S)

    @contextmanager
    def running(self) -> Iterator[Cloud]:
        """Started, and stopped at the end."""
        try:
            self.start()
            yield self
        finally:
            self.stop()

    def _spawn(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        env = {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL"}
        if self._worker_endpoint_url:
            env["AWS_ENDPOINT_URL"] = self._worker_endpoint_url
        where = ["--port", str(self.port), "--state-dir", str(self.state_dir)]
        if self._job_python:
            where += ["--job-python", str(self._job_python)]
        return subprocess.Popen(
            [str(EMULATOR_PYTHON), "-m", "local", *where],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def is_up(self) -> bool:
        """Whether a cloud answers at this port, whoever has started it."""
        try:
            answer = httpx.get(f"{self.url}/_ministack/ready", timeout=5, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK

    def stop(self) -> None:
        """SIGTERM, so that state is saved; what has not ended after half a minute is killed."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            below = descendants(process.pid)  # with groups of their own
            process.kill()
            process.wait()
            signal_all(below, signal.SIGKILL)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def output(self) -> str:
        """What the cloud has printed since it started."""
        return self._output.read_text(errors="replace")

    def environment(self) -> dict[str, str]:
        """The caller's environment with everything that points sam, aws and boto3 at this cloud."""
        return variables(self.port, os.environ)

    def _session(self) -> boto3.Session:
        env = self.environment()
        return boto3.Session(
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            region_name=env["AWS_DEFAULT_REGION"],
        )

    def client(self, service: str, config: Config | None = None) -> Any:
        """A boto3 client of this cloud."""
        return self._session().client(service, endpoint_url=self.url, config=_direct(config))

    def resource(self, service: str, config: Config | None = None) -> Any:
        """A boto3 resource of this cloud."""
        return self._session().resource(service, endpoint_url=self.url, config=_direct(config))

    def outputs(self, stack: str) -> dict[str, str]:
        """A deployed stack's outputs by name."""
        described = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


def _direct(config: Config | None) -> Config:
    """Past every proxy of the environment, which cannot reach the cloud."""
    return Config(proxies={}).merge(config or Config())
