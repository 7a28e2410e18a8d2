"""The API under schemathesis: it does what its description says, for requests good and bad."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.launch import ROOT
from rigs.page import EMAIL, Page
from rigs.rows import make_deleted, make_rejected, make_row

SCHEMATHESIS = ROOT / ".venv" / "schemathesis" / "bin" / "st"
DESCRIPTION = ROOT / "functions" / "api" / "api" / "openapi.yaml"
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture(scope="module")
def rows(page: Page) -> None:
    """A few of every kind, so that lists have something to show."""
    table = page.cloud.resource("dynamodb").Table(page.outputs["TableName"])
    now = datetime.now(UTC)
    for number in range(30):
        at = now - timedelta(minutes=number)
        table.put_item(Item=make_row(f"uploads/{number}.jpg", confidence=number / 30, at=at))
    table.put_item(Item=make_row("uploads/none.jpg", None, at=now))
    table.put_item(Item=make_rejected(at=now))
    table.put_item(Item=make_deleted("uploads/gone.jpg"))


def test_api_is_as_it_is_described(page: Page, rows: None, tmp_path: Path) -> None:
    if not SCHEMATHESIS.exists():
        pytest.skip("run `make .venv/schemathesis/.stamp`")
    token = page.sign_in(EMAIL).token
    done = subprocess.run(
        [
            *(str(SCHEMATHESIS), "--config-file", str(CONFIG)),
            *("run", str(DESCRIPTION), "--url", page.url),
            *("-H", f"Authorization: Bearer {token}", "--phases", "examples,coverage,fuzzing"),
            *("--max-examples", "50", "--seed", "1", "--workers", "1", "--no-color"),
            *("--request-timeout", "60", "--suppress-health-check", "all"),
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
