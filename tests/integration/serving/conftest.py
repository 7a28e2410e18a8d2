"""The real package, built once, and the two hosts over it."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from rigs.hosts import (
    Container,
    Host,
    StartHost,
    lay_out,
    ray_host,
    uvicorn_host,
)
from serving.package import unpack
from training.package.starter import build

HOSTS: dict[str, StartHost] = {"uvicorn": uvicorn_host, "ray": ray_host}


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter model's model.tar.gz."""
    path = tmp_path_factory.mktemp("package") / "model.tar.gz"
    build(path)
    return path


@pytest.fixture(scope="session")
def new_container(package: Path) -> Iterator[Callable[[], Container]]:
    """Makes folders laid out like /opt/ml/model; short paths, which Ray's sockets need."""
    folders: list[Path] = []

    def make() -> Container:
        work = Path(tempfile.mkdtemp(prefix="serving-"))
        folders.append(work)
        unpack(package, work / "model")
        return lay_out(work / "model", work)

    yield make
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", params=HOSTS)
def start_host(request: pytest.FixtureRequest) -> StartHost:
    """How to start each host."""
    return HOSTS[request.param]


@pytest.fixture(scope="session")
def host(start_host: StartHost, new_container: Callable[[], Container]) -> Iterator[Host]:
    """A running endpoint with the limits of hosts.LIMITS."""
    with start_host(new_container()) as running:
        yield running


@pytest.fixture
def client(host: Host) -> Iterator[httpx.Client]:
    """Speaks to `host`."""
    with httpx.Client(base_url=host.url, timeout=60, trust_env=False) as http:
        yield http
