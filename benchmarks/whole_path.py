"""The whole local path, deployed with sam for one benchmark, and bursts of photos through it."""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from botocore.config import Config
from rich.console import Console

from benchmarks.report import ROOT
from local.launch import Cloud
from rigs.photos import DOGS
from tours.demo import photos as demo_photos
from tours.stack import PREFIX, deploy
from tours.steps import Steps

MODEL = ROOT / ".local" / "starter" / "model.tar.gz"
UPLOADERS = 8
DEADLINE_S = 300


@dataclass(frozen=True)
class WholePath:
    """A running cloud with the real template in it; photos to send, and their source in words."""

    cloud: Cloud
    outputs: dict[str, str]
    contents: list[bytes]
    source: str

    def burst(self, contents: Sequence[bytes], name: str) -> float:
        """Seconds from the first upload to the last row."""
        s3 = self.cloud.client("s3", config=Config(max_pool_connections=UPLOADERS))
        keys = [f"{PREFIX}{name}/{number}.jpg" for number in range(len(contents))]
        table = self.cloud.resource("dynamodb").Table(self.outputs["TableName"])

        def put(key: str, content: bytes) -> None:
            s3.put_object(Bucket=self.outputs["BucketName"], Key=key, Body=content)

        # A scan's page is a megabyte: rows of other bursts must not fill it.
        with table.batch_writer() as writer:
            for row in table.scan(ProjectionExpression="image_key")["Items"]:
                writer.delete_item(Key=row)
        started = time.perf_counter()
        with ThreadPoolExecutor(UPLOADERS) as pool:
            list(pool.map(put, keys, contents))
        while (done := table.scan(Select="COUNT")["Count"]) < len(keys):
            if time.perf_counter() - started > DEADLINE_S:
                raise SystemExit(f"only {done} of {len(keys)} rows after {DEADLINE_S} s")
            time.sleep(0.05)
        return time.perf_counter() - started


@contextmanager
def deployed(console: Console, count: int) -> Iterator[WholePath]:
    """With `count` photos; everything is gone afterwards. `make model` has to have run."""
    with tempfile.TemporaryDirectory(prefix="whole-path-") as name:
        folder = Path(name)
        with Cloud(folder / "state").running() as cloud:
            runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
            outputs = deploy(cloud, Steps(console, folder / "log"), MODEL, runtime)
            yield WholePath(cloud, outputs, *pictures(folder, count))


def pictures(folder: Path, count: int) -> tuple[list[bytes], str]:
    """`count` files, the same ones again when there are not so many."""
    real = sorted((DOGS / "test").glob("*/*.jpg"))
    if real:
        step = max(1, len(real) // count)
        chosen = list(islice(cycle(real[::step]), count))
        return [path.read_bytes() for path in chosen], "dog photos, 224x224 JPEG"
    drawn = demo_photos.drawn(folder / "drawings").files
    return [path.read_bytes() for path in islice(cycle(drawn), count)], "drawings, 480x360 JPEG"
