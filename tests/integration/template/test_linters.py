"""The templates under the tools that judge them: none of them has anything to say."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ROOT / ".venv" / "tools" / "bin"
CHECKOV = ROOT / ".venv" / "checkov" / "bin"


CHECKOV_OPTIONS = ("--framework", "cloudformation", "--quiet", "--compact")


@pytest.mark.parametrize(
    "template",
    [
        "template.yaml",
        "page/template.yaml",
        "backfill/template.yaml",
        "training/role.yaml",
        "pipeline/oidc.yaml",
        "operate/drift.yaml",
    ],
)
@pytest.mark.parametrize(
    ("folder", "command"),
    [
        pytest.param(TOOLS, ["cfn-lint"], id="cfn-lint"),
        pytest.param(TOOLS, ["sam", "validate", "--lint", "-t"], id="sam-validate"),
        pytest.param(CHECKOV, ["checkov", *CHECKOV_OPTIONS, "-f"], id="checkov"),
    ],
)
def test_tool_finds_nothing_to_complain_about(
    folder: Path, command: list[str], template: str
) -> None:
    tool = folder / command[0]
    if not tool.exists():
        pytest.skip(f"{tool.relative_to(ROOT)} is not installed: run `make setup`")
    env = {
        **os.environ,
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "SAM_CLI_TELEMETRY": "0",
    }
    done = subprocess.run(
        [tool, *command[1:], template],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
