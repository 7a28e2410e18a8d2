"""benchmarks.reviewer through a deployed stack: `python -m benchmarks.reviewer_deployed`.

One seed. The first model is deployed with the real template to a local cloud, the 2,000 photos are
uploaded, and the reviewer looks at the rows that the function has written to the table. How many of
them are what the model answers in memory is counted as well. Writes reviewer_deployed.json.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.heads import Trainer
from benchmarks.report import machine, write
from benchmarks.reviewer import POOL, Row, Run, table
from local.launch import Cloud
from rigs.photos import DOGS, require_dogs
from serving.model import Model
from serving.package import write_archive
from tours.stack import STACK, deploy
from tours.steps import Steps
from training.data.dataset import DataSet
from training.jobs import evaluate, stack

SEED = 0


class DeployedRun(Run):
    """Its rows come from the table of a stack."""

    def __init__(self, trainer: Trainer, seed: int, scratch: Path, console: Console) -> None:
        super().__init__(trainer, seed, lambda: None, datetime.now(UTC))
        self._scratch, self._console = scratch, console
        self.figures: dict[str, Any] = {}

    def _answered(self, model: Model) -> list[Row]:
        paths = {digest: path for path, digest in digests_of_train().items()}
        archive = self._scratch / "model.tar.gz"
        folder = self._trainer.package
        files = [path for path in folder.rglob("*") if path.is_file()]
        write_archive(archive, {str(p.relative_to(folder)): p.read_bytes() for p in files})
        with Cloud(self._scratch / "state").running() as cloud:
            runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
            deploy(cloud, Steps(self._console, self._scratch / "log"), archive, runtime)
            deployed = stack.look(cloud.client("cloudformation"), STACK)
            photos = [
                evaluate.Shown(paths[digest], 0, f"uploads/{digest}.jpg") for digest in self._pool
            ]
            began = time.monotonic()
            evaluate.upload(cloud.client("s3"), deployed.bucket, photos, lambda _count: None)
            keys = [photo.key for photo in photos]
            rows = evaluate.wait_for_rows(cloud.client, deployed, keys, lambda _what, _n: None)
            seconds = time.monotonic() - began
        found = [rows[key] | {"etag": digest} for key, digest in zip(keys, self._pool, strict=True)]
        self.figures = {"seconds": round(seconds, 1), **self._compared(model, found)}
        return found

    def _compared(self, model: Model, rows: list[Row]) -> dict[str, Any]:
        """How many rows say what the model says of the photo's features."""
        said = model.answers(np.stack([self._photos[digest].row for digest in self._pool]))
        pairs = list(zip(rows, said, strict=True))
        same = sum(row.get("top", [{}])[0].get("label") == one.top[0][0] for row, one in pairs)
        known = sum((row["status"] == "UNKNOWN_BREED") == one.unknown for row, one in pairs)
        return {"rows": len(rows), "same_label": same, "same_unknown": known}


def digests_of_train() -> dict[Path, str]:
    """Every training photo's sha256."""
    data = DataSet.open(DOGS)
    return {path: data.digests[data.names[path]] for path, _ in data.train}


def main() -> int:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reviewer_deployed")
    parser.add_argument("--cache", type=Path, help="keep the photos' features in this folder")
    cache: Path | None = parser.parse_args().cache
    require_dogs()
    console = Console()
    with Trainer.opened(cache) as trainer, tempfile.TemporaryDirectory() as scratch:
        run = DeployedRun(trainer, SEED, Path(scratch), console)
        result = run.result()
    console.print(table([result]), run.figures)
    write(
        "reviewer_deployed",
        {
            "command": "python -m benchmarks.reviewer_deployed",
            "machine": machine(),
            "seed": SEED,
            "pool": POOL,
            "stack": run.figures,
            "run": result,
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
