"""What every benchmark shares: the dogs, the machine, results written and read."""

import json
import os
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOGS = Path(os.environ.get("DOGS_DATA") or ROOT.parent / "shared" / "dogs")


def machine() -> dict[str, str | int | None]:
    return {
        "cpus": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "pillow": version("pillow"),
        "boto3": version("boto3"),
    }


def write(name: str, result: dict[str, object]) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=2, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


@cache
def read(name: str) -> dict[str, Any]:
    """What `write` wrote, for pages."""
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return result
