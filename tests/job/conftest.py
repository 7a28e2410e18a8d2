"""A drawn data set, and its features computed once for all tests that start from them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.job.training_runs import Place
from tests.unit.training.shapes import draw_data_set


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_data_set(tmp_path_factory.mktemp("data") / "shapes")


@pytest.fixture(scope="session")
def featured(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base folder whose cache and model folder hold the features of `shapes`."""
    place = Place(tmp_path_factory.mktemp("featured"), shapes)
    done = place.run("--features-only", "true", "--views", "2")
    assert done.returncode == 0, done.stderr
    return place.base


@pytest.fixture
def new_place(shapes: Path, featured: Path, tmp_path: Path) -> Callable[[str], Place]:
    """Makes base folders that find those features in their cache."""

    def make(name: str) -> Place:
        shutil.copytree(featured / "cache", tmp_path / name / "cache")
        return Place(tmp_path / name, shapes)

    return make
