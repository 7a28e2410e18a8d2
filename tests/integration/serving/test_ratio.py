"""The endpoint beside a plain server, on this machine, in one run: a ratio with a wide margin.

`make benchmark-serving` measures it with care (docs/figures.md). Here it is only to be noticed when
most of that is lost.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.serving.load import Target, closed_loop
from tests.integration.serving.hosts import (
    Container,
    Host,
    end_descendants,
    free_port,
    uvicorn_host,
    wait_until_up,
)
from tests.photos import pictures

ROOT = Path(__file__).resolve().parents[3]
LEAST = 1.5
CLIENTS, SECONDS, ROUNDS = 8, 2.0, 3


@contextmanager
def plain_host(container: Container) -> Iterator[Host]:
    port = free_port()
    log = container.work / "log.txt"
    program = "tests.integration.serving.plain_server"
    command = [sys.executable, "-m", program, str(container.model), str(port)]
    environment = container.environment() | {"PYTHONPATH": str(ROOT)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    host = Host(url, url, process, log, container)
    try:
        wait_until_up(host, "/ping")
        yield host
    finally:
        end_descendants(container)
        process.wait(10)


def answered_s(host: Host, photos: list[bytes]) -> float:
    """Photos a second with CLIENTS clients."""
    target = Target(f"{host.url}/invocations", "image/jpeg", photos)
    sample = asyncio.run(closed_loop(target, CLIENTS, SECONDS))
    assert set(sample.outcomes) == {"200"}
    return sample.outcomes["200"] / sample.seconds


def test_endpoint_answers_many_times_the_photos_of_a_plain_server(
    new_container: Callable[[], Container], tmp_path: Path
) -> None:
    photos = pictures(tmp_path, 16)
    with uvicorn_host(new_container()) as ours, plain_host(new_container()) as plain:
        for host in (ours, plain):
            answered_s(host, photos)  # warm
        ratios = [answered_s(ours, photos) / answered_s(plain, photos) for _ in range(ROUNDS)]
    assert median(ratios) >= LEAST, ratios
