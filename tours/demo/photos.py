"""Which pictures the demo uploads: the user's, some of the dogImages archive, or drawn ones.

The archive (1.1 GB, 8,351 photos of 133 breeds) is never downloaded whole: its table of contents
and a handful of photos are read with HTTP range requests. Without an internet connection, or when
the time limit runs out, pictures are drawn instead, and the caller learns that they are no photos.
"""

from __future__ import annotations

import io
import math
import random
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import httpx
from PIL import Image, ImageDraw, ImageFilter
from rich.console import Console
from rich.markup import escape

ARCHIVE_URL = "https://s3-us-west-1.amazonaws.com/udacity-aind/dog-project/dogImages.zip"
ARCHIVE_TIME_LIMIT_S = 5.0
PHOTO_COUNT = 8
SEED = 1
# Middle of the drawn dog's face, in pixels.
FACE = (240, 184)


class PhotosError(Exception):
    """The folder that the user named cannot be used; the words say why and what to do."""


@dataclass(frozen=True)
class Photos:
    """Pictures to upload: the folder, the files below it (sorted), their source in words."""

    folder: Path
    files: list[Path]
    source: str


class _RangeFile(io.RawIOBase):
    """A remote file of which only the bytes asked for are read.

    `deadline` (seconds of time.monotonic) bounds all its reads together.
    """

    def __init__(self, client: httpx.Client, url: str, deadline: float) -> None:
        self._client, self._url, self._deadline = client, url, deadline
        head = client.head(url, timeout=self._left_s())
        head.raise_for_status()
        self._size = int(head.headers["content-length"])
        self._position = 0

    def _left_s(self) -> float:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            # Not an OSError: zipfile would turn that into "not a zip file".
            raise httpx.ReadTimeout(f"not read within {ARCHIVE_TIME_LIMIT_S:.0f} s")
        return left_s

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        last = min(self._position + len(buffer), self._size) - 1
        if last < self._position:
            return 0
        ask = {"Range": f"bytes={self._position}-{last}"}
        with self._client.stream("GET", self._url, headers=ask, timeout=self._left_s()) as answer:
            answer.raise_for_status()
            # Looked at before the body: without ranges that would be the whole archive.
            if answer.status_code != httpx.codes.PARTIAL_CONTENT:
                raise httpx.RemoteProtocolError(f"{self._url} does not answer range requests")
            content = answer.read()
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def from_archive(folder: Path, url: str = ARCHIVE_URL, count: int = PHOTO_COUNT) -> Photos:
    """`count` test photos of different breeds (seeded choice), kept in `folder` for the next run.

    Raises httpx.HTTPError, OSError or zipfile.BadZipFile when there are none.
    """
    kept = sorted(folder.glob("*.jpg"))
    if len(kept) >= count:
        return Photos(
            folder, kept, f"{len(kept)} photos of the dogImages archive, kept from an earlier run"
        )
    deadline = time.monotonic() + ARCHIVE_TIME_LIMIT_S
    with httpx.Client(follow_redirects=True) as client:
        remote = io.BufferedReader(_RangeFile(client, url, deadline), buffer_size=256 * 1024)
        with zipfile.ZipFile(remote) as archive:
            names = [n for n in archive.namelist() if "/test/" in n and n.endswith(".jpg")]
            by_breed = {Path(n).parent.name: n for n in sorted(names)}
            chosen = random.Random(SEED).sample(
                sorted(by_breed.values()), min(count, len(by_breed))
            )
            contents = {Path(name).name: archive.read(name) for name in chosen}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return Photos(folder, sorted(folder.glob("*.jpg")), f"{count} photos of the dogImages archive")


def from_user(folder: Path) -> Photos:
    """Every file below the user's folder: what cannot be classified gets a row that says so."""
    if not folder.is_dir():
        raise PhotosError(f"PHOTOS={folder}: no such folder. Name a folder that holds photos.")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise PhotosError(f"PHOTOS={folder}: no file in it. Put photos there, or leave PHOTOS out.")
    return Photos(folder, files, f"{len(files)} files of {folder}")


def _draw_dog(rng: random.Random) -> Image.Image:
    """A shaggy dog. The starter model takes it for a Komondor, so there is a breed to look up."""
    ground = (rng.randrange(110, 150), rng.randrange(60, 90), rng.randrange(70, 110))
    grey = rng.randrange(185, 210)
    coat = (grey, grey + 4, grey + 2)
    picture = Image.new("RGB", (480, 360), ground)
    draw = ImageDraw.Draw(picture)
    _draw_hair(draw, rng, (240, 414), (125, 170), coat, 2300)
    _draw_hair(draw, rng, FACE, (62, 122), coat, 3000)
    for x in (191, 289):
        draw.ellipse((x - 5, 127, x + 5, 137), fill=(45, 25, 12))
    draw.ellipse((216, 194, 264, 222), fill=(25, 20, 20))
    draw.ellipse((226, 198, 240, 206), fill=(110, 100, 100))
    for left in (212, 240):
        draw.arc((left, 222, left + 28, 250), 20, 160, fill=(60, 40, 35), width=4)
    return picture.filter(ImageFilter.GaussianBlur(2))


def _draw_hair(
    draw: ImageDraw.ImageDraw,
    rng: random.Random,
    centre: tuple[int, int],
    radii: tuple[int, int],
    coat: tuple[int, int, int],
    count: int,
) -> None:
    """Hairs in an ellipse: away from the face and down, darker towards the ground."""
    for _ in range(count):
        turn, far = rng.uniform(0, 2 * math.pi), math.sqrt(rng.random())
        x, y = (
            m + far * s * r
            for m, s, r in zip(centre, (math.cos(turn), math.sin(turn)), radii, strict=True)
        )
        lie = math.atan2(y - FACE[1], x - FACE[0]) + rng.uniform(-0.5, 0.5)
        end = (x + 30 * math.cos(lie), y + 30 * (math.sin(lie) + 1.7))
        light = rng.uniform(0.75, 1.19) * (1 - 0.15 * (y - centre[1]) / radii[1])
        colour = tuple(min(255, int(value * light)) for value in coat)
        draw.line((x, y, *end), fill=colour, width=2)


def _draw_pattern(rng: random.Random) -> Image.Image:
    """Rings of colour: plainly no dog."""
    picture = Image.new("RGB", (480, 360))
    draw = ImageDraw.Draw(picture)
    for ring in range(40, 0, -1):
        colour = tuple(
            int(127 + 127 * math.sin(ring / 5 + phase)) for phase in rng.choices(range(6), k=3)
        )
        draw.ellipse((240 - ring * 9, 180 - ring * 9, 240 + ring * 9, 180 + ring * 9), fill=colour)
    return picture


def drawn(folder: Path, count: int = PHOTO_COUNT) -> Photos:
    """`count` seeded drawings, one in four of them no dog. They show that the path works."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(SEED)
    files = []
    for number in range(count):
        path = folder / f"drawing-{number + 1}.jpg"
        (_draw_pattern if number % 4 == 3 else _draw_dog)(rng).save(path, quality=90)
        files.append(path)
    return Photos(folder, files, f"{count} drawings made by this program, NOT photos")


def choose(folder: Path | None, work: Path, console: Console) -> Photos:
    """The user's, else those of the archive, else drawings; `work` keeps them."""
    if folder is not None:
        return from_user(folder)
    with console.status("Fetching a few photos of the dogImages archive"):
        try:
            return from_archive(work / "photos")
        except (httpx.HTTPError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            why = f"{type(error).__name__}: {error}"
            console.print("[yellow]No photos from the dogImages archive:[/yellow]", escape(why))
    console.print(
        "[yellow]Drawing pictures instead. They are NOT photos: they show that the path works, "
        "not how well the model does.[/yellow] See it on your own: make demo PHOTOS=<folder>"
    )
    return drawn(work / "drawings")
