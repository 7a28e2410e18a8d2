"""Within how many photos is a change found? `python -m benchmarks.drift [--photos 840]`.

Real dog photos are changed, read by the function's reader, answered by the starter model, and
become rows by the function's code: once as they are, and once for each change. Days are drawn from
those rows, with replacement, and given to the drift function's own code (functions/drift): a
baseline of a thousand photos as they are, then days of growing size of changed ones, until a day is
called changed. Five seeds. And 365 days of photos as they are, to count false alarms.

What flatters it: a day is drawn from the very photos that the baseline was drawn from, so a quiet
day differs by chance alone. Real days also differ by weekday and by who uploads; the least index of
0.1 is for those. There are no other animals among the photos: a corner of each stands for them.

Photos: DOGS_DATA (default ../shared/dogs beside the repository); nothing is measured without.
`make model` has to have run. Writes drift.json.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image, ImageFilter
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.report import ROOT, machine, write
from photo_reader import MAX_PIXELS, read
from rigs.photos import DOGS, require_dogs
from serving.model import Model, load
from serving.preprocess import pixels
from serving.settings import cpu_count
from training.contest.answers import unpacked

sys.path.insert(0, str(ROOT / "functions" / "classify"))
sys.path.insert(0, str(ROOT / "functions" / "drift"))
from classify.events import Upload
from classify.images import shrink
from classify.rows import answered_row
from classify.wire import Answer, Prediction
from drift.core import BASELINE_PHOTOS, LEAST_PHOTOS, Day, Ports, look_at

STARTER = ROOT / ".local" / "starter" / "model.tar.gz"
SEEDS = 5
SIZES = (100, 150, 200, 300, 500, 1000, 2000)
QUIET_DAYS, QUIET_PHOTOS = 365, 200
TENTH = 10
FEW_BREEDS = 20
FIRST = date(2026, 1, 1)

Row = dict[str, Any]
Draw = Callable[[random.Random, int], list[Row]]


def _linear(share: float) -> list[int]:
    """A table for `point`: so much of the light, in sRGB's own curve (IEC 61966-2-1)."""

    def code(value: int) -> int:
        x = value / 255
        light = share * (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4)
        y = 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
        return round(255 * y)

    return [code(value) for value in range(256)] * 3


def _night(picture: Image.Image) -> Image.Image:
    """Infrared: grey, two stops darker, noisy."""
    grey = np.asarray(picture.point(_linear(0.25)).convert("L"), dtype=np.float32)
    noise = np.random.default_rng(0).normal(0, 6, grey.shape)
    return Image.fromarray((grey + noise).clip(0, 255).astype(np.uint8)).convert("RGB")


def _corner(picture: Image.Image) -> Image.Image:
    """What is beside the dog, mostly."""
    width, height = picture.size
    return picture.crop((0, 0, width // 4, height // 4)).resize((width, height))


CHANGES: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "as they are": lambda picture: picture,
    "darker by a stop": lambda picture: picture.point(_linear(0.5)),
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(2)),
    "night, grey": _night,
    "turned by a quarter": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "corners without a dog": _corner,
}


def main() -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift")
    parser.add_argument("--photos", type=int, default=840)
    options = parser.parse_args()
    console = Console()
    require_dogs("test")
    rows = _rows(options.photos, console)
    draws = _draws(rows)
    plain = draws.pop("as they are")
    found = {
        words: [_photos_until_found(plain, draw, seed) for seed in range(SEEDS)]
        for words, draw in track(draws.items(), "changes", console=console)
    }
    false = [_false_alarms(plain, seed) for seed in track(range(SEEDS), "quiet", console=console)]
    _report(console, found, false, len(rows["as they are"]))
    return 0


def _rows(count: int, console: Console) -> dict[str, list[Row]]:
    """Every photo's row, by the change."""
    files = sorted((DOGS / "test").glob("*/*.jpg"))
    files = files[:: max(1, len(files) // count)][:count]
    with unpacked(STARTER) as folder:
        model = load(folder, cpu_count())
        return {
            words: [_row(model, path, change) for path in track(files, words, console=console)]
            for words, change in CHANGES.items()
        }


def _row(model: Model, path: Path, change: Callable[[Image.Image], Image.Image]) -> Row:
    picture = change(read(path.read_bytes(), 10_000).picture)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92)
    data = file.getvalue()
    photo = shrink(data, MAX_PIXELS)
    (answer,) = model.predict(
        pixels(read(photo.jpeg, 10_000).picture, model.manifest.preprocess)[None]
    )
    prediction = Prediction(
        answer.label, answer.confidence, answer.top, answer.dog_probability, answer.novelty,
        bool(answer.unknown),
    )  # fmt: skip
    key = f"uploads/{path.parent.name}/{path.name}"
    upload = Upload("photos", key, "00", size_bytes=len(data))
    told = Answer((prediction,), model.manifest.version, "AllTraffic")
    return answered_row(upload, photo, prediction, told, datetime.now(UTC))


def _draws(rows: Mapping[str, Sequence[Row]]) -> dict[str, Draw]:
    """How a day of each kind is drawn."""

    def of(words: str) -> Draw:
        return lambda chance, count: chance.choices(rows[words], k=count)

    plain, corners = rows["as they are"], rows["corners without a dog"]

    def a_tenth(chance: random.Random, count: int) -> list[Row]:
        others = count // TENTH
        return chance.choices(corners, k=others) + chance.choices(plain, k=count - others)

    def few_breeds(chance: random.Random, count: int) -> list[Row]:
        breeds = sorted({row["breed"] for row in plain if "breed" in row})
        few = set(chance.sample(breeds, FEW_BREEDS))
        weights = [5 if row.get("breed") in few else 1 for row in plain]
        return chance.choices(plain, weights, k=count)

    draws = {words: of(words) for words in CHANGES if words != "corners without a dog"}
    return draws | {
        "a tenth without a dog": a_tenth,
        f"{FEW_BREEDS} breeds five times as often": few_breeds,
    }


class _Tables:
    """The drift function's tables, in memory; a baseline of photos as they are is there."""

    def __init__(self, plain: Draw, chance: random.Random) -> None:
        self.rows: dict[date, list[Row]] = {FIRST: plain(chance, BASELINE_PHOTOS)}
        self._days: dict[date, Row] = {}
        self._baselines: dict[str, Row] = {}
        self.look(FIRST, self.rows[FIRST])

    def look(self, day: date, rows: list[Row]) -> Day:
        self.rows[day] = rows
        return look_at(
            day,
            Ports(
                rows=lambda asked: self.rows.get(asked, []),
                reviewed=lambda _first, _last: [],
                day=self._days.get,
                put_day=self._days.__setitem__,
                baseline=self._baselines.get,
                put_baseline=self._baselines.__setitem__,
            ),
        )


def _photos_until_found(plain: Draw, changed: Draw, seed: int) -> dict[str, Any]:
    """Of one growing day: how many photos until it is called changed, and by which figures."""
    chance = random.Random(seed)
    tables = _Tables(plain, chance)
    most = changed(chance, SIZES[-1])
    chance.shuffle(most)
    for size in SIZES:
        day = tables.look(FIRST + timedelta(days=1), most[:size])
        if day.findings:
            return {"photos": size, "figures": [finding.figure for finding in day.findings]}
    return {"photos": None, "figures": []}


def _false_alarms(plain: Draw, seed: int) -> int:
    chance = random.Random(1000 + seed)
    tables = _Tables(plain, chance)
    days = (FIRST + timedelta(days=n + 1) for n in range(QUIET_DAYS))
    return sum(bool(tables.look(day, plain(chance, QUIET_PHOTOS)).findings) for day in days)


def _report(
    console: Console, found: Mapping[str, list[dict[str, Any]]], false: list[int], photos: int
) -> None:
    table = Table(
        "change", "found within photos", "by", title=f"{photos} dog photos, {SEEDS} seeds"
    )
    for words, runs in found.items():
        sizes = [run["photos"] for run in runs]
        figures = Counter(figure for run in runs for figure in run["figures"])
        within = f"more than {SIZES[-1]}" if None in sizes else f"{max(sizes)}"
        table.add_row(words, within, ", ".join(figure for figure, _ in figures.most_common(4)))
    console.print(table)
    console.print(
        f"{QUIET_DAYS} quiet days of {QUIET_PHOTOS} photos: {false} days called changed, "
        f"median {median(false)}"
    )
    write(
        "drift",
        {
            "command": "python -m benchmarks.drift", "machine": machine(), "photos": photos,
            "seeds": SEEDS, "baseline_photos": BASELINE_PHOTOS, "least_photos": LEAST_PHOTOS,
            "sizes": list(SIZES), "found": {words: list(runs) for words, runs in found.items()},
            "quiet": {"days": QUIET_DAYS, "photos": QUIET_PHOTOS, "false_alarms": false},
        },
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
