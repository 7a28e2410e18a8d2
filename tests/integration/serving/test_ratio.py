"""The endpoint beside a plain server, on this machine, in one run: a ratio with a wide margin.

`make benchmark-serving` measures it with care (docs/figures.md). Here it is only to be noticed when
most of that is lost.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

from rigs.hosts import (
    REPOSITORY,
    Container,
    Host,
    free_port,
    spawn,
    uvicorn_host,
    wait_until_up,
)
from rigs.load import Target, closed_loop
from rigs.photos import pictures

LEAST = 1.5
CLIENTS, SECONDS, ROUNDS = 8, 2.0, 3


@contextmanager
def plain_host(container: Container) -> Iterator[Host]:
    port = free_port()
    program = "tests.integration.serving.plain_server"
    command = [sys.executable, "-m", program, str(container.model), str(port)]
    with_the_repository = replace(container, path=(REPOSITORY,))
    with spawn(with_the_repository, command, f"http://127.0.0.1:{port}") as host:
        wait_until_up(host, "/ping")
        yield host


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
