"""Put a model package together: weights, manifest, Ray Serve configuration, code and wheels."""

from importlib.resources import files
from pathlib import Path

import photo_reader
import serving
from serving.package import MANIFEST, WEIGHTS, Manifest, write_archive
from training.package.wheels import WHEELS, travelling_wheels

# The image pip-installs code/requirements.txt when the endpoint starts; it must not need internet.
_REQUIREMENTS_HEAD = "--no-index\n--find-links /opt/ml/model/code/wheels\n"


def write_package(output: Path, manifest: Manifest, weights: bytes) -> None:
    """Write model.tar.gz; the same manifest, weights and code give the same bytes.

    `weights` is a safetensors file whose sha256 the manifest already holds.
    """
    write_archive(output, package_files(manifest, weights))


def write_unpacked(folder: Path, manifest: Manifest, weights: bytes) -> None:
    """Write the same package as files into `folder`, which SageMaker makes model.tar.gz of."""
    for name, content in package_files(manifest, weights).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def package_files(manifest: Manifest, weights: bytes) -> dict[str, bytes]:
    """Path in the package -> content, of the whole package."""
    pins = [wheel.requirement for wheel in WHEELS]
    contents = {
        WEIGHTS: weights,
        MANIFEST: manifest.to_json().encode(),
        "config.yaml": (files(serving) / "config.yaml").read_bytes(),
        "code/requirements.txt": (_REQUIREMENTS_HEAD + "\n".join(pins) + "\n").encode(),
    }
    contents |= {f"code/wheels/{name}": content for name, content in travelling_wheels().items()}
    for room in (serving, photo_reader):
        for path in files(room).iterdir():
            if path.name.endswith(".py"):
                contents[f"code/{room.__name__}/{path.name}"] = path.read_bytes()
    return contents
