"""The real page: both stacks on a local cloud, deployed as `make page` deploys them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.launch import ROOT, Cloud
from rigs.page import EMAIL, Page, deploy
from tests.page.conftest import CHROMIUM, NO_BROWSER

STARTER = ROOT / ".local" / "starter" / "model.tar.gz"


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """With the starter model behind it, and one reviewer."""
    if not CHROMIUM:
        pytest.skip(NO_BROWSER)
    if not STARTER.exists():
        pytest.fail(f"{STARTER.relative_to(ROOT)} is not built; run `make model`")
    with Cloud(tmp_path_factory.mktemp("cloud") / "state").running() as cloud:
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="models")
        s3.upload_file(str(STARTER), "models", "v1/model.tar.gz")
        page = deploy(cloud, "whole", answered_by=["MODEL_URL=s3://models/v1/model.tar.gz"])
        page.set_password(EMAIL)
        yield page


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where screenshots go, to be looked at: the last run's."""
    folder = ROOT / ".local" / "screenshots"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
