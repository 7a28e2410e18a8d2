"""Measure every engine in turns, print, and write the results; see the package's docstring.

`--only ENGINE BACKBONE THREADS` measures one and prints its JSON; `--made FOLDER` keeps the files
that were made, for the next time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.dog_threshold import dog_paths
from benchmarks.engines.making import FILES, SEED, calibrated_on, make, needed_for
from benchmarks.engines.running import BATCHES, ENGINES, REFERENCE, measure
from benchmarks.models import MODELS, package
from benchmarks.report import ROOT, machine, write
from rigs.photos import DOGS, breed_of
from serving.model import load
from serving.settings import Settings
from training.features.photos import picture, portions

LIBRARIES = ("torch", "openvino", "onnxruntime", "nncf")

Case = tuple[str, str, int]  # engine, backbone, threads


def main() -> int:
    """Everything, or what --only asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs=3, metavar=("ENGINE", "BACKBONE", "THREADS"))
    parser.add_argument("--make", nargs=2, metavar=("FILE", "BACKBONE"), help="make one file only")
    parser.add_argument("--made", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        # What another process has compiled would make this one's compilation look short.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = f"{scratch}/inductor"
        made: Path = (options.made or Path(scratch) / "made").resolve()
        if options.make:
            file, name = options.make
            print(json.dumps(make(file, name, made / name)))
        elif options.only:
            engine, name, threads = options.only
            make_files([(name, file) for file in needed_for(ENGINES[engine].file)], made)
            print(json.dumps(measure(engine, name, int(threads), made / name)))
        else:
            measure_all(options.rounds, made)
    return 0


def measure_all(rounds: int, made: Path) -> None:
    """Make what is missing, measure each case in a process of its own, and report."""
    files = make_files([(name, file) for name in MODELS for file in FILES], made)
    found: dict[Case, list[dict[str, Any]]] = {case: [] for case in cases()}
    for case in track(list(found) * rounds, "measuring"):
        found[case].append(in_own_process(made, "--only", *map(str, case)))
    rows = [summary(case, measured) for case, measured in found.items()]
    photos = all((DOGS / split).is_dir() for split in ("valid", "test"))
    quality = [row for name in MODELS for row in agreement(name, made)] if photos else []
    report(files, rows, quality, rounds)


def cases() -> list[Case]:
    """What is measured, in order."""
    most = Settings().thread_count()
    return [
        (engine, name, threads)
        for name in MODELS
        for threads in sorted({1, most})
        for engine, how in ENGINES.items()
        if threads > 1 or how.one_thread
    ]


def make_files(wanted: Sequence[tuple[str, str]], made: Path) -> list[dict[str, Any]]:
    """(backbone, file) each: those that are not there yet, and what each took."""
    missing = [(name, file) for name, file in wanted if not (made / name / file).exists()]
    rows = []
    for name, file in track(missing, "making", console=Console(stderr=True), disable=not missing):
        (made / name).mkdir(parents=True, exist_ok=True)
        took = in_own_process(made, "--make", file, name)
        rows.append({"backbone": name, "file": file} | {k: round(v, 1) for k, v in took.items()})
    return rows


def in_own_process(made: Path, *arguments: str) -> dict[str, Any]:
    """This command with memory and thread pools that no other engine has touched."""
    command = [sys.executable, "-m", "benchmarks.engines", *arguments, "--made", str(made)]
    ended = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{ended.stderr}")
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])  # libraries print, too
    return found


def agreement(name: str, made: Path) -> list[dict[str, Any]]:
    """What each engine answers to the test photos of the breeds it knows; lanes change nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        model = load(package(name, Path(scratch)))
    spec = model.manifest.preprocess
    paths = [path for path in dog_paths(DOGS / "test") if breed_of(path) in model.manifest.labels]
    pictures = np.stack([picture(path, spec, 0, path.name) for path in paths])
    answers = {}
    engines = [engine for engine, how in ENGINES.items() if not how.lanes]
    for engine in track(engines, f"answering, {name}"):
        prepare, run = ENGINES[engine].build(name, Settings().thread_count(), made / name)
        features = [run(prepare(pictures[part])) for part in portions(len(pictures))]
        answers[engine] = model.answers(np.concatenate(features))
    reference = answers[REFERENCE]
    return [
        {
            "backbone": name,
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


def summary(case: Case, rounds: list[dict[str, Any]]) -> dict[str, Any]:
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


def report(
    files: list[dict[str, Any]],
    rows: list[dict[str, Any]],
    quality: list[dict[str, Any]],
    rounds: int,
) -> None:
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
    console = Console(width=110)  # so that no name is broken
    console.print(table)
    making = Table("backbone", "file", "s", "MB", title="Made before, once")
    for file in files:
        making.add_row(
            file["backbone"], file["file"], f"{file['seconds']:.1f}", f"{file['mb']:.1f}"
        )
    console.print(making)
    if quality:
        answers = Table(
            "backbone", "engine", "first label as torch's", "right",
            "largest change of a probability",
            title=f"{quality[0]['n']} test photos",
        )  # fmt: skip
        for one in quality:
            answers.add_row(
                one["backbone"], one["engine"], f"{one['agrees']:.1%}", f"{one['right']:.1%}",
                f"{one['largest_difference']:.3f}",
            )  # fmt: skip
        console.print(answers)
    content = {
        "command": "make benchmark-engines",
        "rounds": rounds,
        "seed": SEED,
        "photos": "DOGS_DATA; they descend from ImageNet, which the backbones have seen",
        "machine": machine()
        | {name: version(name) for name in LIBRARIES}
        | {"cpu_flags": cpu_flags()},
        "calibration": calibrated_on(),
        "made": files,
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
