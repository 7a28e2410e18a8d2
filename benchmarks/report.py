"""What every benchmark shares: where the dogs are, what the machine is, where results go."""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

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
