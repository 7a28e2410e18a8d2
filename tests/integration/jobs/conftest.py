"""The launchers as a user runs them, in the SDK's environment, against a server that records."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.environment import variables
from rigs.photos import ROOT
from tests.integration.jobs.account import ROLE
from tests.integration.jobs.recorder import Recorder

PYTHON = ROOT / ".venv" / "sdk" / "bin" / "python"
LOCAL_BUCKET = "sagemaker-us-east-1-123456789012"
COMMAND_S = 120


def tar_gz(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def with_data(bucket: str) -> dict[str, bytes]:
    """A data set in `bucket` and what a training job leaves."""
    photos = [f"{bucket}/breeds/data/{split}/1.a/1.jpg" for split in ("train", "valid", "test")]
    rule = {"RuleConfigurationName": "Overfit", "RuleEvaluationStatus": "IssuesFound"}
    return dict.fromkeys(photos, b"photo") | {
        "artefacts/model.tar.gz": tar_gz({"manifest.json": b'{"version": "0123456789ab"}'}),
        "artefacts/output.tar.gz": tar_gz({"rules/Overfit.json": json.dumps(rule).encode()}),
    }


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    with recorder.serving():
        yield recorder


class Launcher:
    """Runs `python -m training.jobs` and keeps its output folder."""

    def __init__(self, recorder: Recorder, out: Path) -> None:
        self.recorder = recorder
        self.out = out

    def locally(self, *words: str, expect: int = 0) -> str:
        """As in a shell prepared by `make env`."""
        self.recorder.objects |= with_data(LOCAL_BUCKET)
        port = int(self.recorder.url.rpartition(":")[2])
        return self._run(words, variables(port, os.environ), expect)

    def on_aws(self, *words: str, role: str = ROLE, expect: int = 0, **variables: str) -> str:
        """As with an account of one's own: of the local settings there is only the address."""
        self.recorder.objects |= with_data("my-bucket")
        left_out = ("AWS_", "SAGEMAKER_")
        env = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        env |= {
            "AWS_ENDPOINT_URL": self.recorder.url,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_CONFIG_FILE": os.devnull,
            **variables,
        }
        settings = ("--set", "jobs.bucket=my-bucket", "--set", f"jobs.role={role}")
        return self._run((*settings, *words), env, expect)

    def _run(self, words: tuple[str, ...], env: dict[str, str], expect: int) -> str:
        done = subprocess.run(
            [str(PYTHON), "-m", "training.jobs", "--out", str(self.out), *words],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def launcher(recorder: Recorder, tmp_path: Path) -> Launcher:
    return Launcher(recorder, tmp_path / "out")
