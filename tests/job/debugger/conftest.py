"""Small trainings on one thread, through the real hook and the real processes."""

import pytest
import torch


def pytest_configure(config: pytest.Config) -> None:
    """Leave out the hundred warnings that smdebug's generated protobuf code raises."""
    config.addinivalue_line("filterwarnings", "ignore:Call to deprecated create:DeprecationWarning")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)
