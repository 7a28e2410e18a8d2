"""The page's stack on a local cloud, deployed as `make page` deploys it, with people and rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.launch import Cloud
from rigs.page import EMAIL, Page, deploy

ONLOOKER = "eve@example.com"
STACK = "photos"


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with Cloud(tmp_path_factory.mktemp("cloud") / "state").running() as cloud:
        yield cloud


@pytest.fixture(scope="session")
def page(cloud: Cloud) -> Page:
    """With a reviewer, the first person, and somebody who may only look."""
    page = deploy(cloud, STACK)
    page.set_password(EMAIL)
    page.add_person(ONLOOKER)
    return page
