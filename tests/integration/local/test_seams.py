"""The contract with ministack: three seams, each named when it moves. Runs in the emulator's own
environment.
"""

from __future__ import annotations

import re
import subprocess

import pytest

from local.launch import EMULATOR_PYTHON, ROOT
from local.seams import PINNED


def _check(before: str = "") -> subprocess.CompletedProcess[str]:
    """Look up the seams in a fresh interpreter, after running `before`."""
    script = f"""
import ministack.app
from ministack.services import cognito
from ministack.services.cloudformation import provisioners
{before}
from local import seams
from local.errors import StartError
try:
    seams.asgi_app()
    seams.resource_handlers()
    seams.put_groups_into_tokens()
except StartError as error:
    raise SystemExit(str(error))
"""
    return subprocess.run(
        [str(EMULATOR_PYTHON), "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_seams_are_where_the_pinned_version_has_them() -> None:
    found = _check()

    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("moved", "seam"),
    [
        ("del ministack.app.app", "ministack.app:app"),
        ("ministack.app.app = lambda environ, start_response: []", "ministack.app:app"),
        ("del provisioners._RESOURCE_HANDLERS", "_RESOURCE_HANDLERS"),
        ("provisioners._RESOURCE_HANDLERS = []", "_RESOURCE_HANDLERS"),
        (
            "provisioners._RESOURCE_HANDLERS['AWS::DynamoDB::Table']['create'] = lambda spec: None",
            "_RESOURCE_HANDLERS",
        ),
        (
            "del provisioners._RESOURCE_HANDLERS['AWS::DynamoDB::Table']['update']",
            "_RESOURCE_HANDLERS",
        ),
        ("cognito._fake_token = lambda claims: ''", "_fake_token"),
        ("del cognito._get_pool_unscoped", "_get_pool_unscoped"),
    ],
)
def test_seam_that_moved_is_named(moved: str, seam: str) -> None:
    found = _check(moved)

    assert found.returncode == 1
    assert seam in found.stderr
    assert f"as it was in {PINNED}" in found.stderr


def test_lock_pins_the_version_that_the_seams_were_written_for() -> None:
    lock = (ROOT / "local" / "environments" / "emulator.txt").read_text()

    assert re.findall(r"^ministack==(\S+)", lock, re.MULTILINE) == [PINNED]


def test_nothing_but_the_seams_file_imports_ministack() -> None:
    users = [
        path.name
        for path in (ROOT / "local").rglob("*.py")
        if re.search(r"^\s*(from|import) ministack", path.read_text(), re.MULTILINE)
        or "import_module" in path.read_text()
    ]

    assert users == ["seams.py"]
