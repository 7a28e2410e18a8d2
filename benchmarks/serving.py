"""What the server costs over the bare model: `python -m benchmarks.serving`.

Each figure is against the same model called directly in this process:
- photos per second with batches of ten from several concurrent clients, against forward passes of
  ten ready-made pictures with all CPUs (goal: 90 % or more). The server may be above, although it
  also receives, decodes and answers, because it gives each CPU a smaller pass of its own;
- the same against such lanes fed with ready-made pictures: the most that the engine can do;
- time of a single request over decode + forward pass (goal: 3 ms or less);
- seconds from starting the process to the first 200 of /ping (goal: below 3).

The server is the real process (`python -m serving`) on this machine, so clients, server and model
share its CPUs. Server and bare runs take turns, so that a slow minute of the machine hits both;
medians over the rounds. While the server is measured the bare model idles and the other way round.
Photos: DOGS_DATA (default ../shared/dogs beside the repository), else generated pictures.
Writes benchmarks/results/serving.json.
"""

import argparse
import base64
import io
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median

import httpx
import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.report import DOGS, machine, write
from serving.images import decode
from serving.model import Model, load
from serving.package import unpack
from serving.preprocess import pixels
from serving.settings import Settings
from training.starter import build

BATCH = 10
CLIENTS = 3
BATCHES_A_ROUND = 48
SINGLES_A_ROUND = 40


@dataclass
class Rounds:
    """One entry a round: photos per second, and milliseconds."""

    served_photos_s: list[float]
    bare_photos_s: list[float]
    lanes_photos_s: list[float]
    single_ms: list[float]
    bare_single_ms: list[float]


def main() -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving")
    parser.add_argument("--rounds", type=int, default=9)
    count: int = parser.parse_args().rounds
    photos, source = sample_photos()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        build(Path(scratch) / "model.tar.gz")
        unpack(Path(scratch) / "model.tar.gz", folder)
        model = load(folder, Settings().thread_count())
        starts = [start_up(folder, Path(scratch)) for _ in range(count)]
        with server(folder, Path(scratch)) as url:
            rounds = measure(model, url, photos, count)
        package_mb = (Path(scratch) / "model.tar.gz").stat().st_size / 1e6
    report(rounds, starts, package_mb, source, model)
    return 0


def sample_photos() -> tuple[list[bytes], str]:
    """A hundred encoded photos and where they come from."""
    paths = sorted((DOGS / "test").glob("*/*.jpg"))[::8][:100]
    if paths:
        return [path.read_bytes() for path in paths], "dog photos (DOGS_DATA), 224 x 224 JPEG"
    random = np.random.default_rng(1)
    encoded = []
    for _ in range(100):
        buffer = io.BytesIO()
        noise = Image.fromarray(random.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        noise.resize((224, 224), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        encoded.append(buffer.getvalue())
    return encoded, "generated pictures, 224 x 224 JPEG"


@contextmanager
def server(folder: Path, work: Path) -> Iterator[str]:
    """The real serving process, from the package's own code."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "serving", "--model-dir", str(folder), "--port", str(port)],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(folder / "code")},
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while not answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(0.02)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def start_up(folder: Path, work: Path) -> float:
    """Seconds until a new process answers /ping with 200."""
    start = time.perf_counter()
    with server(folder, work):
        return time.perf_counter() - start


def answers(url: str) -> bool:
    """Whether the server is up."""
    try:
        return httpx.get(url + "/ping", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def measure(model: Model, url: str, photos: list[bytes], count: int) -> Rounds:
    """Server and bare model in turns; the first round only warms up."""
    bodies = [batch_body(list(group)) for group in batches(photos)]
    spec = model.manifest.preprocess
    pictures = np.stack([pixels(decoded(photo), spec) for photo in photos])
    rounds = Rounds([], [], [], [], [])
    for number in track(range(count + 1), "measuring", total=count + 1):
        results = (
            served_throughput(url, bodies),
            bare_throughput(model, pictures),
            lanes_throughput(model, pictures),
            single_requests(url, photos),
            bare_singles(model, photos),
        )
        if number == 0:
            continue
        rounds.served_photos_s.append(results[0])
        rounds.bare_photos_s.append(results[1])
        rounds.lanes_photos_s.append(results[2])
        rounds.single_ms.append(results[3])
        rounds.bare_single_ms.append(results[4])
    return rounds


def batches(photos: list[bytes]) -> Iterator[tuple[bytes, ...]]:
    """Groups of ten."""
    for start in range(0, len(photos), BATCH):
        yield tuple(photos[start : start + BATCH])


def batch_body(photos: list[bytes]) -> bytes:
    """The request as the function sends it."""
    instances = [{"b64": base64.b64encode(photo).decode()} for photo in photos]
    return json.dumps({"instances": instances}).encode()


def decoded(photo: bytes) -> Image.Image:
    """As the server decodes it."""
    return decode(photo, max_pixels=50_000_000, short_side=256)


def served_throughput(url: str, bodies: list[bytes]) -> float:
    """Photos per second with CLIENTS clients sending batches of ten one after the other."""
    headers = {"Content-Type": "application/json"}
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:

        def post(body: bytes) -> None:
            client.post("/invocations", content=body, headers=headers).raise_for_status()

        work = list(itertools.islice(itertools.cycle(bodies), BATCHES_A_ROUND))
        with ThreadPoolExecutor(CLIENTS) as pool:
            seconds = timed(lambda: list(pool.map(post, work)))
    return BATCH * BATCHES_A_ROUND / seconds


def bare_throughput(model: Model, pictures: np.ndarray) -> float:
    """Photos per second of forward passes of ten ready-made pictures, with all CPUs."""
    groups = [pictures[at : at + BATCH] for at in range(0, len(pictures), BATCH)]
    work = list(itertools.islice(itertools.cycle(groups), BATCHES_A_ROUND))
    seconds = timed(lambda: [forward(model, group, alone=True) for group in work])
    return BATCH * BATCHES_A_ROUND / seconds


def forward(model: Model, pictures: np.ndarray, alone: bool = False) -> object:
    """A forward pass and nothing else: backbone and heads."""
    (features,) = model.backbone(pictures, alone=alone)
    return model.heads(features, alone=alone)


def lanes_throughput(model: Model, pictures: np.ndarray) -> float:
    """Photos per second of lanes, each CPU running its own passes of ready-made pictures."""
    size, threads = Settings.max_batch, Settings().thread_count()
    groups = [pictures[at : at + size] for at in range(0, len(pictures) - size + 1, size)]
    work = list(itertools.islice(itertools.cycle(groups), BATCH * BATCHES_A_ROUND // size))
    with ThreadPoolExecutor(threads) as pool:
        seconds = timed(lambda: list(pool.map(partial(forward, model), work)))
    return size * len(work) / seconds


def single_requests(url: str, photos: list[bytes]) -> float:
    """Median milliseconds of one request, one client, connection kept."""
    headers = {"Content-Type": "image/jpeg"}
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        times = [
            timed(lambda: client.post("/invocations", content=photo, headers=headers))  # noqa: B023 - called at once
            for photo in photos[:SINGLES_A_ROUND]
        ]
    return 1000 * median(times)


def bare_singles(model: Model, photos: list[bytes]) -> float:
    """Median milliseconds of decode + preprocess + forward pass of one photo."""
    spec = model.manifest.preprocess

    def predict(photo: bytes) -> None:
        model.predict(pixels(decoded(photo), spec)[None], alone=True)

    return 1000 * median(timed(lambda: predict(photo)) for photo in photos[:SINGLES_A_ROUND])  # noqa: B023 - called at once


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def median_ratio(these: list[float], those: list[float]) -> float:
    """The median of the rounds' ratios: a slow minute of the machine hits both alike."""
    return median(a / b for a, b in zip(these, those, strict=True))


def report(
    rounds: Rounds, starts: list[float], package_mb: float, source: str, model: Model
) -> None:
    """Print the table and write the JSON; ratios are taken round by round."""
    share = median_ratio(rounds.served_photos_s, rounds.bare_photos_s)
    of_lanes = median_ratio(rounds.served_photos_s, rounds.lanes_photos_s)
    differences = zip(rounds.single_ms, rounds.bare_single_ms, strict=True)
    overhead = median(single - bare for single, bare in differences)
    rows = [
        ("batch-10 throughput, served", f"{median(rounds.served_photos_s):.1f} photos/s", ""),
        ("passes of ten, bare", f"{median(rounds.bare_photos_s):.1f} photos/s", ""),
        ("served / bare passes of ten", f"{share:.1%}", "90 % or more"),
        ("lanes, bare", f"{median(rounds.lanes_photos_s):.1f} photos/s", ""),
        ("served / bare lanes", f"{of_lanes:.1%}", ""),
        ("single request", f"{median(rounds.single_ms):.1f} ms", ""),
        ("decode + forward, bare", f"{median(rounds.bare_single_ms):.1f} ms", ""),
        ("overhead of a request", f"{overhead:.1f} ms", "3 ms or less"),
        (f"start to /ping 200, package of {package_mb:.0f} MB", f"{median(starts):.2f} s", "< 3 s"),
    ]
    table = Table("", "median", "goal", title=f"Serving, {source}")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    content = {
        "command": "python -m benchmarks.serving",
        "photos": source,
        "model": {"name": model.manifest.name, "version": model.manifest.version},
        "machine": machine() | {"openvino": version("openvino")},
        "clients": CLIENTS,
        "batch": BATCH,
        "precision": Settings.precision,
        "share_of_bare_throughput": round(share, 3),
        "share_of_bare_lanes": round(of_lanes, 3),
        "single_overhead_ms": round(overhead, 2),
        "start_up_s": [round(one, 2) for one in starts],
        "package_mb": round(package_mb, 1),
        "rounds": {name: [round(one, 2) for one in all_] for name, all_ in vars(rounds).items()},
    }
    write("serving", content)


if __name__ == "__main__":
    sys.exit(main())
