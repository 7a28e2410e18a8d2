"""The wheels that serving imports and AWS's Ray image lacks: they travel inside model.tar.gz.

An endpoint needs no internet: its container installs these from the package. They come from the
package index once (PIP_INDEX_URL names another one), are checked against the hashes below, and are
kept in ~/.cache, so every package after the first is made without a network.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from training.errors import JobError

# Of AWS's image ray:serve-ml-sagemaker-cpu. Its instances are x86_64.
IMAGE_PYTHON = "3.13"
IMAGE_PLATFORM = "manylinux_2_28_x86_64"


@dataclass(frozen=True)
class Wheel:
    """A wheel of the index; the versions are those of pyproject.toml, which a test compares."""

    requirement: str
    file: str
    sha256: str


# What these require besides (numpy, Pillow of at least 11.1) is in the image.
WHEELS = (
    Wheel(
        "openvino==2026.4.1",
        "openvino-2026.4.1-22982-cp313-cp313-manylinux_2_28_x86_64.whl",
        "a9b637846c579d7b81b17b6585e0c7b1947574e8d13cf83d7307ce50cd2c352e",
    ),
    Wheel(
        "openvino-telemetry==2025.2.0",
        "openvino_telemetry-2025.2.0-py3-none-any.whl",
        "bcb667e83a44f202ecf4cfa49281715c6d7e21499daec04ff853b7f964833599",
    ),
    Wheel(
        "pi-heif==1.4.0",
        "pi_heif-1.4.0-cp313-cp313-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
        "2fd498fabcdc77159414cccfd966ca48735497fd8c038d1b0135025f3cceac90",
    ),
)


def travelling_wheels() -> dict[str, bytes]:
    """File name -> content of every wheel, from the cache or the index; raises JobError."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "breed-classifier"
    return {wheel.file: _content(wheel, folder) for wheel in WHEELS}


def _content(wheel: Wheel, folder: Path) -> bytes:
    kept = folder / wheel.file
    try:
        return _kept_or_fetched(wheel, kept)
    except OSError as error:
        raise JobError(
            f"{wheel.file} cannot be kept in {folder}: {error}. XDG_CACHE_HOME names another folder"
        ) from error


def _kept_or_fetched(wheel: Wheel, kept: Path) -> bytes:
    if kept.is_file():
        content = kept.read_bytes()
        if hashlib.sha256(content).hexdigest() == wheel.sha256:
            return content
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        _download(wheel, Path(scratch))
        return (Path(scratch) / wheel.file).replace(kept).read_bytes()


def _download(wheel: Wheel, folder: Path) -> None:
    """Fetch it for the image's Python, whatever runs here; pip itself checks the hash."""
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
               "--no-deps", "--only-binary=:all:", "--python-version", IMAGE_PYTHON,
               "--platform", IMAGE_PLATFORM, "--dest", str(folder), "-r", str(wanted)]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        errors = [line for line in ended.stderr.splitlines() if line.startswith("ERROR")]
        raise JobError(
            f"{wheel.requirement}, which the endpoint installs from the model package, cannot be "
            f"downloaded: {errors[-1] if errors else ended.stderr[-500:]}. Give pip an index that "
            f"has it (PIP_INDEX_URL), or put {wheel.file} into {folder.parent}"
        )
