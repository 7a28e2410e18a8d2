"""The slim image beside AWS's way of starting Ray Serve: `make benchmark NAME=image`.

The image is built from serving/Dockerfile's steps and runs in namespaces as SageMaker starts it, by
rigs/box.py: another user, a root that cannot be written to, no /dev/shm, no
network but the loopback, with a limit of 2 and of 3 GB. Ray Serve runs the same package in the
order of AWS's entrypoint, unconfined, and without the adapter before it (which is another process,
and would only cost). The clients are on the same machine; for EfficientNet-Lite0 alone. Each has:
- seconds from its start to the first answered photo;
- closed loop, 1 to 64 clients, one photo a request, and three clients with ten photos in each;
- memory then (pages that processes share are counted once), and the most that the image held.

Runs itself again in a network of its own, so that the image's port is free. Writes
image.json.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.models import package
from benchmarks.report import machine, write
from benchmarks.serving.photos import sample_photos
from rigs.box import (
    SERVING,
    UNSHARE,
    BuiltImage,
    NoNamespacesError,
    build,
    look_for_namespaces,
    running,
)
from rigs.dockerfile import read
from rigs.hosts import lay_out, ray_host
from rigs.load import Target, closed_loop
from rigs.requests import JPEG, batch_body
from serving.settings import Settings
from training.package.starter import BACKBONE

INSIDE = "BENCHMARK_IMAGE"  # set in the process that has a network of its own
CLIENTS = (1, 4, 16, 64)
TENS, TEN_CLIENTS = 10, 3
LIMITS_MB = (2048, 3072)
START_TIMEOUT_S = 300
URL = "http://127.0.0.1:8080"

Find = Callable[[], list[psutil.Process]]


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.image")
    parser.add_argument("--quick", action="store_true", help="a second a level, one limit")
    options = parser.parse_args()
    try:
        look_for_namespaces()
    except NoNamespacesError as error:
        print(f"Not measured: the image needs namespaces, not allowed here: {error}")
        return 1
    if INSIDE in os.environ:
        measure_all(built(json.loads(os.environ[INSIDE])), options.quick)
        return 0
    with scratch() as folder:
        image = build(folder)  # needs the network that the rest does not have
        known = {"root": str(image.root), "binds": image.binds, "python": image.python,
                 "hashed": image.hashed}  # fmt: skip
        again = [sys.executable, "-m", "benchmarks.image", *sys.argv[1:]]
        command = [*UNSHARE, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "-", *again]
        environment = os.environ | {INSIDE: json.dumps(known)}
        return subprocess.run(command, env=environment).returncode


def built(known: dict[str, Any]) -> BuiltImage:
    """The image that the process before this one has built."""
    return BuiltImage(
        Path(known["root"]),
        tuple((source, target) for source, target in known["binds"]),
        read(SERVING / "Dockerfile"),
        known["python"],
        known["hashed"],
    )


def measure_all(image: BuiltImage, quick: bool) -> None:
    """Every host in turn; prints, and unless it is quick, writes."""
    seconds, limits = (1.0, LIMITS_MB[:1]) if quick else (5.0, LIMITS_MB)
    photos, source = sample_photos()
    found = {}
    with scratch() as work:
        model = package(BACKBONE, work)
        for limit in limits:
            name = f"slim image, {limit} MB"
            found[name] = of_image(image, model, work, limit, photos, seconds)
        found["Ray Serve, AWS's order"] = of_ray(model, work, photos, seconds)
    show(found)
    if not quick:
        write("image", {
            "command": "make benchmark NAME=image", "photos": source, "machine": machine(),
            "python_of_the_image": Path(image.python).name, "hosts": found,
        })  # fmt: skip


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that any user may look into, with a short path, as Ray's sockets need it."""
    folder = Path(tempfile.mkdtemp(prefix="image-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def of_image(
    image: BuiltImage, model: Path, work: Path, limit_mb: int, photos: list[bytes], seconds: float
) -> dict[str, Any]:
    """The slim image with a limit of memory."""
    started = time.perf_counter()
    (work / "socket").unlink(missing_ok=True)
    with running(image, model, work, limit_mb, own_network=False) as box:
        start_s = first_answer(URL, photos[0], started)
        tree = psutil.Process(box.first)
        found = measure(URL, photos, seconds, lambda: [tree, *tree.children(recursive=True)])
        return {
            "start_s": start_s, **found, "peak_mb": round(box.peak_mb()),
            "limited_by": box.limited_by,
        }  # fmt: skip


def of_ray(model: Path, work: Path, photos: list[bytes], seconds: float) -> dict[str, Any]:
    """Ray Serve, started as AWS's entrypoint does, with the settings that are the defaults."""
    started = time.perf_counter()
    defaults = {f"SERVING_{name.upper()}": str(v) for name, v in asdict(Settings()).items()}
    container = lay_out(model, work, defaults)
    mark = f"SPY_LOG={container.opened}".encode()

    def processes() -> list[psutil.Process]:
        found = []
        for one in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                if mark in Path(f"/proc/{one.pid}/environ").read_bytes().split(b"\0"):
                    found.append(one)
        return found

    with ray_host(container) as host:
        start_s = first_answer(host.own_url, photos[0], started)
        return {"start_s": start_s, **measure(host.own_url, photos, seconds, processes)}


def first_answer(url: str, photo: bytes, started: float) -> float:
    """Seconds since `started` at the first answer with 200."""
    while time.perf_counter() - started < START_TIMEOUT_S:
        with suppress(httpx.TransportError):
            answer = httpx.post(
                f"{url}/invocations", content=photo, headers=JPEG, trust_env=False, timeout=60
            )
            if answer.status_code == 200:
                return round(time.perf_counter() - started, 2)
        time.sleep(0.02)
    raise RuntimeError(f"no answer from {url} in {START_TIMEOUT_S} s")


def measure(url: str, photos: list[bytes], seconds: float, processes: Find) -> dict[str, Any]:
    """Photos a second, latency, and memory afterwards."""
    singles = Target(f"{url}/invocations", "image/jpeg", photos)
    starts = range(0, len(photos) // TENS * TENS, TENS)
    bodies = [batch_body(photos[at : at + TENS]) for at in starts]
    tens = Target(f"{url}/invocations", "application/json", bodies)
    levels = {str(clients): level(singles, clients, seconds, 1) for clients in CLIENTS}
    levels["ten photos each"] = level(tens, TEN_CLIENTS, seconds, TENS)
    return {"levels": levels, "memory_mb": round(memory_mb(processes()))}


def level(target: Target, clients: int, seconds: float, photos: int) -> dict[str, Any]:
    """One closed loop, after a second of the same to warm up."""
    asyncio.run(closed_loop(target, clients, 1))
    sample = asyncio.run(closed_loop(target, clients, seconds))
    return {
        "images_s": round(photos * sample.rate, 1), **sample.percentiles_ms(),
        "outcomes": dict(sample.outcomes),
    }  # fmt: skip


def memory_mb(processes: list[psutil.Process]) -> float:
    """What they hold now, in MB of 10^6 bytes; what several share is counted once."""
    held = 0
    for one in processes:
        with suppress(psutil.Error):
            held += one.memory_full_info().pss
    return held / 1e6


def show(found: dict[str, Any]) -> None:
    """One row a host."""
    table = Table("", "start s", "MB", "most MB", *(f"{n} clients" for n in CLIENTS), "in tens",
                  title="photos a second (p50 ms)")  # fmt: skip
    for name, host in found.items():
        cells = [f"{one['images_s']:.0f} ({one['p50_ms']:.0f})" for one in host["levels"].values()]
        table.add_row(name, f"{host['start_s']:.1f}", f"{host['memory_mb']}",
                      str(host.get("peak_mb", "")), *cells)  # fmt: skip
    Console(width=130).print(table)


if __name__ == "__main__":
    sys.exit(main())
