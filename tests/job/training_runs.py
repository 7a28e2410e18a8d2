"""Training runs for the tests: a small drawn data set, and train.py as SageMaker would start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "training" / "train.py"

# The smallest backbone, so that a test takes seconds.
SMALL = ("--backbone", "efficientnet_lite0")


@dataclass(frozen=True)
class Place:
    """A base folder (SageMaker's /opt/ml) and the data set of a run."""

    base: Path
    data: Path

    @property
    def environ(self) -> dict[str, str]:
        """What SageMaker's toolkit would set, and nothing else that could matter."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SM_", "SAGEMAKER_"))}
        return kept | {
            "SAGEMAKER_BASE_DIR": str(self.base),
            "SM_CHANNEL_DATA": str(self.data),
            # Other work on the machine makes a team of threads wait in every layer.
            "OMP_NUM_THREADS": "1",
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(PROGRAM), *SMALL, *arguments]

    def run(
        self,
        *arguments: str,
        launcher: tuple[str, ...] = (),
        environ: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; what it printed is in the result."""
        command = [*launcher, *self.command(*arguments)[1 if launcher else 0 :]]
        return subprocess.run(
            command, env=environ or self.environ, cwd=self.base, text=True, capture_output=True,
            timeout=300,
        )  # fmt: skip

    def output(self, name: str) -> Any:
        """A JSON file of the job's output."""
        return json.loads((self.base / "output" / "data" / name).read_text(encoding="utf-8"))

    def history(self) -> list[dict[str, float]]:
        """history.json without what no two runs have in common."""
        rows = self.output("history.json")
        return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
