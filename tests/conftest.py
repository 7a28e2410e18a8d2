"""Keeps what was skipped, and why, for the last lines of `make test` (tests.skipped)."""

import os
from pathlib import Path

import pytest

_reasons: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        _reasons[report.nodeid] = report.longrepr[2].removeprefix("Skipped: ")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        _reasons[report.nodeid] = report.longrepr[2].removeprefix("Skipped: ")


def pytest_sessionfinish() -> None:
    """SKIPPED_TESTS is a file that several runs side by side add lines to."""
    if path := os.environ.get("SKIPPED_TESTS"):
        lines = "".join(f"{test}\t{' '.join(why.split())}\n" for test, why in _reasons.items())
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(lines)
