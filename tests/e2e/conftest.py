"""What end-to-end tests need: the built model package, the runtime's name, a local cloud."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.launch import Cloud
from rigs.photos import ROOT


@pytest.fixture(scope="session")
def model() -> Path:
    """The starter model, as `make model` builds it."""
    path = ROOT / ".local" / "starter" / "model.tar.gz"
    if not path.exists():
        pytest.fail(f"{path.relative_to(ROOT)} is not built; run `make model` (`make test` does)")
    return path


@pytest.fixture(scope="session")
def runtime() -> str:
    """The function's runtime: the Python that runs these tests, as the Makefile passes it."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud of the module's own."""
    with Cloud(tmp_path_factory.mktemp("cloud") / "state").running() as cloud:
        yield cloud
