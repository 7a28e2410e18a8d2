"""The template under the tools that judge it: none of them has anything to say."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ROOT / ".venv" / "tools" / "bin"
CHECKOV = ROOT / ".venv" / "checkov" / "bin"


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        pytest.param(TOOLS, ["cfn-lint", "template.yaml"], id="cfn-lint"),
        pytest.param(TOOLS, ["sam", "validate", "--lint"], id="sam-validate"),
        pytest.param(
            CHECKOV,
            [
                "checkov",
                "-f",
                "template.yaml",
                "--framework",
                "cloudformation",
                "--quiet",
                "--compact",
            ],
            id="checkov",
        ),
    ],
)
def test_tool_finds_nothing_to_complain_about(folder: Path, command: list[str]) -> None:
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
        [tool, *command[1:]], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
