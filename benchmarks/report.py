"""What every benchmark shares: the machine, and results written and read.

A result lies in results/<machine>/<version of the project>/: neither another machine nor the next
version overwrites it.
"""

import json
import os
import platform
import re
import tomllib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
# The machine whose results the pages quote.
PAGES_MACHINE = "amd-epyc-2-cpus"


def machine() -> dict[str, str | int | None]:
    return {
        "name": machine_name(),
        "cpus": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "pillow": version("pillow"),
        "boto3": version("boto3"),
    }


def machine_name() -> str:
    """The processor and how many CPUs of it there are, as a folder's name: amd-epyc-2-cpus."""
    path = Path("/proc/cpuinfo")
    listed = path.read_text(encoding="utf-8") if path.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", listed, re.MULTILINE)
    processor = found[1] if found else platform.processor() or platform.machine()
    words = re.findall(r"[a-z0-9]+", processor.lower())
    return "-".join([*words, str(os.cpu_count()), "cpus"])


def results_folder() -> Path:
    """Where this machine and this version keep what they measure; it is made."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    folder = RESULTS / machine_name() / str(project["version"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write(name: str, result: dict[str, object]) -> None:
    text = json.dumps(result, indent=2, ensure_ascii=False)
    (results_folder() / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def newest(file: str) -> Path:
    """The file as the newest version that has it left it on PAGES_MACHINE.

    Of what was never measured there, it is another machine's.
    """

    def version_of(path: Path) -> list[int]:
        return [int(part) for part in path.parent.name.split(".")]

    there = list((RESULTS / PAGES_MACHINE).glob(f"*/{file}"))
    return max(there or RESULTS.glob(f"*/*/{file}"), key=version_of)


def link(file: str) -> str:
    """The newest such file, as the pages in docs/ link to it."""
    return f"../{newest(file).relative_to(ROOT)}"


@cache
def read(name: str) -> dict[str, Any]:
    """What `write` wrote, for pages."""
    result: dict[str, Any] = json.loads(newest(f"{name}.json").read_text(encoding="utf-8"))
    return result


def elsewhere(name: str) -> str:
    """ ", on <machine>" of a result that was not measured on the pages' machine."""
    found = read(name)["machine"]["name"]
    return "" if found == PAGES_MACHINE else f", on {found}"
