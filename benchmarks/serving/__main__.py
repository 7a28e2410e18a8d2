"""The endpoint beside what else would serve the same model: `make benchmark-serving [QUICK=1]`.

For EfficientNet-Lite0 (the starter model) and ResNet50 (as Keras has it, with a head made in the
same way), each contender of contenders.py in turns, several rounds, a new process each time:
- seconds from its start to the first answer;
- closed loop, 1 to 64 clients, one photo a request: images a second, p50, p95, p99, CPU seconds an
  image, memory; for ours also batches of ten, as the function sends them;
- open loop at fixed rates, requests at random moments: latency since each was due;
- whether its answers are those of the others (all test photos of the breeds that it knows).
Beside them the limit: the model called directly in this process (bare.py). How near ours comes to
it is in limit.py.

Clients, server and bare model share this machine's CPUs, so no server can reach the limit. All
serve the same package and share one decoder and preprocess function; settings are printed. Photos:
DOGS_DATA (default ../shared/dogs beside the repository), else generated pictures.
Contenders come in the same order in each round; answers and the open loop are of the first one. A
p99 is the slowest of few answers where a server is slow. Overload is in flood.py.
Writes serving.json and serving.svg.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.progress import Progress

from benchmarks.models import MODELS, package
from benchmarks.report import results_folder, write
from benchmarks.serving.agreement import Answers
from benchmarks.serving.bare import BATCH, Bare
from benchmarks.serving.contenders import (
    BATCH_CLIENTS,
    CONTENDERS,
    OURS,
    Contender,
    Server,
    running,
)
from benchmarks.serving.photos import sample_photos
from benchmarks.serving.report import plot, report
from rigs.load import Target, closed_loop, open_loop
from serving.model import load
from serving.settings import Settings

CLIENTS = (1, 4, 16, 64)
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)  # open-loop rates, of the bare model's
GIVEN_UP_MS = 1000  # a median beyond it: the rate is too high for this contender
SEED = 0


@dataclass(frozen=True)
class Length:
    """How much is measured."""

    models: tuple[str, ...]
    rounds: int
    level_s: float


WHOLE = Length(MODELS, rounds=3, level_s=2.5)
QUICK = Length(MODELS[:1], rounds=1, level_s=2)


def main() -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving")
    parser.add_argument(
        "--quick", action="store_true", help="one round, one model, about 5 minutes"
    )
    parser.add_argument("--only", nargs="*", default=[], help="parts of names; writes no results")
    options = parser.parse_args()
    length = QUICK if options.quick else WHOLE
    chosen = [
        contender
        for contender in CONTENDERS
        if not options.only or any(part in contender.name for part in options.only)
    ]
    photos, source = sample_photos()
    results = {}
    with tempfile.TemporaryDirectory(prefix="serving-") as scratch, Progress() as progress:
        for name in length.models:
            folder = package(name, Path(scratch))
            measure = Measurement(folder, photos, length, chosen)
            task = progress.add_task(name, total=length.rounds * len(chosen))
            for number in range(length.rounds):
                for contender in chosen:
                    progress.update(task, description=f"{name}: {contender.name}")
                    measure.turn(contender, number)
                    progress.advance(task)
            size = (Path(scratch) / f"{name}.tar.gz").stat().st_size / 1e6
            results[name] = {"package_mb": round(size, 1)} | measure.result()
    content = report(results, source, length.rounds, [(one.name, one.settings) for one in chosen])
    if not options.only:
        write("serving", content)
        plot(results).savefig(results_folder() / "serving.svg")
    return 0


class Measurement:
    """One model's figures, gathered turn by turn."""

    def __init__(
        self, folder: Path, photos: Sequence[bytes], length: Length, chosen: Sequence[Contender]
    ) -> None:
        self._folder, self._photos, self._length = folder, photos, length
        model = load(folder, Settings().thread_count())
        self._bare = Bare(model, photos)
        self._limits: list[dict[str, float]] = []
        self._rounds: dict[str, list[dict[str, Any]]] = {one.name: [] for one in chosen}
        self._once: dict[str, dict[str, Any]] = {}
        self._answers = Answers(model.manifest.labels)

    def turn(self, contender: Contender, number: int) -> None:
        """One contender in one round; open loop and answers in the first one only."""
        if contender.name == OURS or not self._limits:
            self._limits.append(self._limit())
        with running(contender, self._folder, self._photos[0]) as server:
            target = contender.target(server.url, self._photos)
            asyncio.run(closed_loop(target, 4, 1))  # warms up
            found: dict[str, Any] = {"start_s": server.start_s}
            found["closed"] = self._closed(server, target)
            if contender.takes_batches:
                tens = contender.batches(server.url, self._photos)
                found["ten"] = self._level(server, tens, BATCH_CLIENTS, BATCH)
            self._rounds[contender.name].append(found)
            if number == 0:
                self._answers.ask(server.url, contender)
                self._once[contender.name] = {"open": self._open(target)}

    def result(self) -> dict[str, Any]:
        """Medians over the rounds, and every round."""
        limit = {key: round(median(one[key] for one in self._limits), 2) for key in self._limits[0]}
        return {
            "bare": limit,
            "bare_rounds": self._limits,
            "answers": self._answers.result(),
            "contenders": {
                name: {
                    "start_s": round(median(one["start_s"] for one in rounds), 2),
                    "closed": {
                        str(clients): medians([one["closed"][str(clients)] for one in rounds])
                        for clients in CLIENTS
                    },
                    **({"ten": medians([r["ten"] for r in rounds])} if "ten" in rounds[0] else {}),
                    **self._once[name],
                    "rounds": rounds,
                }
                for name, rounds in self._rounds.items()
            },
        }

    def _limit(self) -> dict[str, float]:
        seconds = self._length.level_s
        return {
            "passes_of_ten_images_s": round(self._bare.passes_of_ten(seconds), 2),
            "lanes_images_s": round(self._bare.lanes(seconds), 2),
            "single_ms": round(1000 * self._bare.single_s(), 2),
        }

    def _closed(self, server: Server, target: Target) -> dict[str, dict[str, Any]]:
        return {str(clients): self._level(server, target, clients, 1) for clients in CLIENTS}

    def _level(self, server: Server, target: Target, clients: int, photos: int) -> dict[str, Any]:
        """One closed loop; `photos` are in each request."""
        before = server.cpu_s()
        sample = asyncio.run(closed_loop(target, clients, self._length.level_s))
        used = server.cpu_s() - before
        answered = max(1, len(sample.latencies))
        return {
            "outcomes": dict(sample.outcomes),
            **sample.percentiles_ms(),
            "images_s": round(photos * sample.rate, 2),
            "cpu_ms_an_image": round(1000 * used / answered / photos, 2),
            "memory_mb": round(server.memory_mb()),
        }

    def _open(self, target: Target) -> list[dict[str, Any]]:
        """Rates from low to high, until one is too high."""
        found: list[dict[str, Any]] = []
        for share in SHARES:
            rate = round(share * self._limits[0]["lanes_images_s"], 1)
            sample = asyncio.run(open_loop(target, rate, self._length.level_s + 1, SEED))
            quantiles = sample.percentiles_ms()
            found.append({"rate": rate, "outcomes": dict(sample.outcomes), **quantiles})
            middle = quantiles["p50_ms"]
            if middle is None or middle > GIVEN_UP_MS:
                break
        return found


def medians(rounds: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The median of each number that all rounds have."""
    return {
        key: round(median(one[key] for one in rounds), 2)
        for key, value in rounds[0].items()
        if isinstance(value, int | float) and all(one[key] is not None for one in rounds)
    }


if __name__ == "__main__":
    sys.exit(main())
