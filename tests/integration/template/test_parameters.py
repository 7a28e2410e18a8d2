"""What make hands to sam, read as sam reads it: an empty value clears a parameter."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from backfill import lane
from rigs.photos import ROOT

TOOLS = ROOT / ".venv" / "tools" / "bin"
# sam's own reading of its option.
_READ = (
    "import json, sys; from samcli.cli.types import CfnParameterOverridesType;"
    "print(json.dumps(CfnParameterOverridesType().convert(tuple(sys.argv[1:]), None, None)))"
)
# The first stack has no such outputs, as the AWS CLI prints it, and nothing watches it. Stamps of
# what would be built are left alone.
_RECORD = """
touch() { :; }
aws() { case "$*" in *-drift*) return 254;; esac; echo None; }
sam() { test "$1" = build || printf '%s\\n' "$@" > "$WORDS"; }
"""


def handed(folder: Path, *arguments: str) -> list[str]:
    """What sam is called with by this make command, which runs without AWS."""
    # The tools are taken as they are: what would install them would be run below.
    asked = ["make", "--dry-run", "--no-print-directory", "--assume-old=.venv/tools/.stamp"]
    printed = subprocess.run(
        [*asked, *arguments],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    words = folder / "words"
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _RECORD + printed],
        cwd=ROOT, env={"WORDS": str(words), "PATH": "/usr/bin:/bin"}, check=True,
        capture_output=True,
    )  # fmt: skip
    return words.read_text().splitlines()


def overrides(folder: Path, *arguments: str) -> dict[str, str]:
    """The parameters that sam takes from this make command."""
    if not TOOLS.exists():
        pytest.skip("the tools' environment is not there: `make setup`")
    given = handed(folder, *arguments)
    given = given[given.index("--parameter-overrides") + 1 :]
    read = subprocess.run(
        [str(TOOLS / "python"), "-c", _READ, *given], capture_output=True, text=True, check=False
    )
    assert read.returncode == 0, read.stderr
    found: dict[str, str] = json.loads(read.stdout)
    return found


def test_template_from_elsewhere_is_deployed_as_samconfig_would_have_it(tmp_path: Path) -> None:
    # GIVEN what samconfig.toml says of deployments, which sam reads from beside the template alone
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]["deploy"]["parameters"]
    # WHEN a template from elsewhere is deployed, where nobody is asked
    given = handed(tmp_path, "stack", "STACK=dogs", "TEMPLATE=.local/before.yaml")
    # THEN the command itself says all of it
    asked = config | {"confirm_changeset": False, "s3_prefix": "dogs", "stack_name": "dogs"}
    for name, value in asked.items():
        option = f"--{name.replace('_', '-')}"
        if value is False:
            assert option.replace("--", "--no-") in given
        else:
            assert option in given
            assert value is True or given[given.index(option) + 1] == value


def test_stack_of_back_fills_without_another_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(lane.subprocess, "run", run)
    lane._make("dogs-backfill", {"Bucket": "photos", "SourceBucket": ""})
    monkeypatch.undo()
    ((_, _, *arguments),) = commands
    found = overrides(tmp_path, *arguments)
    assert (found["Bucket"], found["SourceBucket"]) == ("photos", "")


def test_what_the_first_stack_has_no_more_is_cleared(tmp_path: Path) -> None:
    found = overrides(tmp_path, "drift-watch", "STACK=dogs")
    assert (found["Stack"], found["AlarmKeyId"]) == ("dogs", "")
    found = overrides(tmp_path, "page-stack", "STACK=dogs", "EMAIL=rex@example.com")
    assert (found["BackfillBucket"], found["DriftTable"]) == ("", "")
