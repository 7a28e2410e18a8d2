"""What all unit tests share: botocore's models of the services, each read from disk once."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader


@pytest.fixture(scope="session", autouse=True)
def models_read_once() -> Iterator[None]:
    """A session of botocore keeps what it has read; moto begins a new session for each test."""
    read = cache(JSONFileLoader().load_file)

    def load_file(_loader: JSONFileLoader, path: str) -> Any:
        return read(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", load_file)
        yield
