"""What every end-to-end test needs: the built model package and the runtime's name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.photos import ROOT


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
