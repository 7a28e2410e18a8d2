"""Commands as somebody types them, in the repository."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from rigs.photos import ROOT

COMMAND_S = 240


def run(
    command: Sequence[str],
    expect: int = 0,
    env: Mapping[str, str] | None = None,
    timeout_s: float = COMMAND_S,
) -> subprocess.CompletedProcess[str]:
    """What it printed, once it ended with the exit code `expect`. `env` None: this process's."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == expect, f"{command}\n{done.stdout}\n{done.stderr}"
    return done
