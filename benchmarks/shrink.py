"""Shrinking a 12-megapixel JPEG against full decode + resize: `python -m benchmarks.shrink`.

Both end in the same small JPEG; goal: 0.4 of the time or less. The peer is what one writes without
a second thought: Image.open, resize with the same filter, save. Also: how far apart the two small
pictures are, as a mean absolute difference of 8-bit values at the model's 224 pixels. Writes
shrink.json.
"""

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable

from PIL import Image, ImageChops, ImageStat
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.pictures import dogs, drawn, jpeg
from benchmarks.report import ROOT, machine, write
from photo_reader import MAX_PIXELS
from photo_reader.wire_copy import JPEG_QUALITY, SHORT_SIDE_PX

sys.path.insert(0, str(ROOT / "functions" / "classify"))
from classify.images import shrink


def ours(data: bytes) -> bytes:
    return shrink(data, MAX_PIXELS).jpeg


def full_decode(data: bytes) -> bytes:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    ratio = SHORT_SIDE_PX / min(image.size)
    size = (round(image.width * ratio), round(image.height * ratio))
    file = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def milliseconds(work: Callable[[bytes], bytes], data: bytes) -> float:
    start = time.perf_counter()
    work(data)
    return (time.perf_counter() - start) * 1000


def difference(data: bytes) -> float:
    pictures = [
        Image.open(io.BytesIO(work(data))).resize((224, 224), Image.Resampling.BICUBIC)
        for work in (ours, full_decode)
    ]
    return statistics.mean(ImageStat.Stat(ImageChops.difference(*pictures)).mean)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    photos = {
        "drawn": [jpeg(drawn(seed)) for seed in track(range(3), "Drawing")],
        "dogs, enlarged": [jpeg(photo) for photo in dogs(3)],
    }
    result: dict[str, object] = {"runs": runs, "machine": machine(), "photos": {}}
    table = Table("12-megapixel JPEGs", "MB", "Full decode ms", "Ours ms", "Ratio", "Difference")
    for name, files in photos.items():
        if not files:
            continue
        taken: dict[str, list[float]] = {"full": [], "ours": []}
        for _ in track(range(runs), f"Shrinking: {name}"):
            for data in files:
                taken["full"].append(milliseconds(full_decode, data))
                taken["ours"].append(milliseconds(ours, data))
        full, mine = statistics.median(taken["full"]), statistics.median(taken["ours"])
        far = statistics.mean(map(difference, files))
        megabytes = statistics.mean(map(len, files)) / 1e6
        table.add_row(
            name,
            f"{megabytes:.1f}",
            f"{full:.0f}",
            f"{mine:.0f}",
            f"{mine / full:.2f}",
            f"{far:.2f}",
        )
        result["photos"][name] = {  # type: ignore[index]
            "megabytes": megabytes,
            "full_decode_median_ms": full,
            "ours_median_ms": mine,
            "ratio": mine / full,
            "mean_difference_of_255": far,
        }
    Console().print(table)
    write("shrink", result)


if __name__ == "__main__":
    main()
