"""The loop's steps as the commands that a user would type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.launch import ROOT
from tours.stack import LOCAL_PARAMETERS, STACK

DATA_BUCKET = "breed-classifier-data"
DATA_URI = f"s3://{DATA_BUCKET}/photos"
# Data tools need no SDK, launchers nothing else.
_PROJECT = str(ROOT / ".venv" / "project" / "bin" / "python")
_SDK = str(ROOT / ".venv" / "sdk" / "bin" / "python")
# The photo that is shown at the end; the same in every run over the same data.
_SEED = "1"


@dataclass(frozen=True)
class Command:
    """A step: the name it has in loop.json, and what is run."""

    title: str
    words: Sequence[str]


@dataclass(frozen=True)
class Commands:
    """`settings` are TABLE.KEY=VALUE changes of the jobs' configuration, `config` another one."""

    data: Path
    out: Path
    settings: Sequence[str]
    config: Path | None = None

    def all(self) -> Iterator[Command]:
        """In the order in which they run."""
        folder = str(self.data)
        verified = str(self.out / "verify.json")
        verify = [_PROJECT, "-m", "training.data", "verify", folder, "--json", verified]
        yield Command("verify", verify)
        yield Command("upload", [_PROJECT, "-m", "training.data", "upload", folder, DATA_URI])
        yield self._jobs("tune", "--data", DATA_URI)
        yield self._jobs("train", "--data", DATA_URI)
        yield self._jobs("deploy", "--parameters", LOCAL_PARAMETERS)
        yield self._jobs("predict", "--data", folder, "--seed", _SEED)
        yield self._jobs("evaluate", "--data", folder)

    def _jobs(self, name: str, *words: str) -> Command:
        settings = [part for setting in self.settings for part in ("--set", setting)]
        config = ["--config", str(self.config)] if self.config else []
        start = [
            _SDK,
            "-m",
            "training.jobs",
            *config,
            *settings,
            "--out",
            str(self.out),
            "--stack",
            STACK,
        ]
        return Command(name, [*start, name, *words])
