"""The Python environment of a job: the base one, or a layer over it that is made once.

On AWS the toolkit runs `pip install -r requirements.txt` at the start of every job. Here nothing is
installed when the base environment (--job-python) has every pin already; otherwise a small virtual
environment that sees the base's packages is made, filled by pip, and kept for the next job with the
same requirements over the same base.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from local.sagemaker.container import last_line
from local.sagemaker.jobs.failure import JobFailedError
from local.settings import container_environment, proxies

_READY = "ready"
_REPORT = """
import importlib.metadata, json, os, platform, sys, sysconfig
print(json.dumps({
    "site_packages": sysconfig.get_path("purelib"),
    "packages": {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()},
    "markers": {
        "implementation_name": sys.implementation.name,
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_system": platform.system(),
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    },
}))
"""


@dataclass(frozen=True)
class Base:
    """What an environment holds: its packages' versions by canonical name, and the values that
    requirements' markers ask for.
    """

    python: Path
    site_packages: str
    packages: dict[str, str]
    markers: dict[str, str]

    @classmethod
    def inspect(cls, python: Path) -> Base:
        """Ask the interpreter itself. Raises JobFailedError."""
        try:
            shown = subprocess.run(
                [str(python), "-I", "-c", _REPORT], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise JobFailedError(f"InternalServerError: {python} does not work: {error}") from error
        facts = json.loads(shown.stdout)
        packages: dict[str, str] = {
            canonicalize_name(name): version for name, version in facts["packages"].items() if name
        }
        return cls(python, facts["site_packages"], packages, facts["markers"])


def is_satisfied(requirements: str, base: Base) -> bool:
    """Whether pip would have nothing to do. Lines that only pip understands are not satisfied."""
    return all(_line_satisfied(line, base) for line in _lines(requirements))


def _lines(requirements: str) -> list[str]:
    lines = (line.split(" #")[0].strip() for line in requirements.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _line_satisfied(line: str, base: Base) -> bool:
    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        return False  # an option of pip's, a path, a URL
    if wanted.marker and not wanted.marker.evaluate(dict(base.markers)):
        return True
    if wanted.extras or wanted.url:
        return False
    found = base.packages.get(canonicalize_name(wanted.name))
    return found is not None and wanted.specifier.contains(found, prereleases=True)


class Environments:
    """Thread-safe: jobs that want the same layer wait for the one that makes it."""

    def __init__(self, base_python: Path, folder: Path) -> None:
        self._base_python = base_python
        self._folder = folder
        self._making: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def python_for(self, requirements: Path, code: Path, log_file: Path) -> Path:
        """The interpreter for a job with this requirements.txt (which may be absent).

        pip runs in the code folder, where relative paths lead, and writes to the job's log.
        Raises JobFailedError.
        """
        if not requirements.exists():
            return self._base_python
        words = requirements.read_text()
        base = Base.inspect(self._base_python)
        if is_satisfied(words, base):
            return self._base_python
        layer = self._folder / _key(words, base, code)
        with self._making[layer.name]:
            if not (layer / _READY).exists():
                shutil.rmtree(layer, ignore_errors=True)
                _make(layer, base, requirements, code, log_file)
                (layer / _READY).touch()
        return layer / "bin" / "python"


def _key(requirements: str, base: Base, code: Path) -> str:
    """Names the layer: same requirements, same base. Wheels that travel with the code count too."""
    facts = [requirements, str(base.python), sorted(base.packages.items()), base.markers]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for wheel in sorted(code.rglob("*.whl")):
        digest.update(wheel.read_bytes())
    return digest.hexdigest()[:24]


def _make(layer: Path, base: Base, requirements: Path, code: Path, log_file: Path) -> None:
    """A virtual environment that finds the base's packages after its own, filled by pip."""
    python = layer / "bin" / "python"
    _run([str(base.python), "-m", "venv", "--without-pip", str(layer)], code, log_file)
    own = Path(Base.inspect(python).site_packages)
    (own / "base_environment.pth").write_text(base.site_packages + "\n")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install"]
    _run([*pip, "-r", str(requirements)], code, log_file)


def _run(command: list[str], cwd: Path, log_file: Path) -> None:
    with log_file.open("ab") as log:
        start = log.tell()
        ended = subprocess.run(
            command,
            cwd=cwd,
            env=container_environment(os.environ) | proxies(os.environ),  # pip's way out
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )
    if ended.returncode:
        raise JobFailedError(
            "AlgorithmError: InstallRequirementsError: "
            f"{last_line(log_file, start)}, exit code: {ended.returncode}"
        )
