"""A job that is killed goes on where it was, to the very same model."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.model import load
from tests.job.training_runs import Place

# Of one photo a step, so that an epoch takes long enough to be killed in its middle.
LONG = (
    "--epochs",
    "30",
    "--batch-size",
    "1",
    "--views",
    "2",
    "--dropout",
    "0.2",
    "--patience",
    "30",
)
KILLED_AFTER = 8


def start(place: Place) -> subprocess.Popen[str]:
    """Start the job and come back when it is in the epoch after KILLED_AFTER."""
    process = subprocess.Popen(
        place.command(*LONG), env=place.environ, cwd=place.base, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(f"epoch={KILLED_AFTER} "):
            return process
    raise AssertionError(f"the job ended with {process.wait()} before it could be killed")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_job_goes_on_to_the_same_model(
    number: signal.Signals, new_place: Callable[[str], Place]
) -> None:
    whole, parts = new_place("whole"), new_place("parts")
    uninterrupted = whole.run(*LONG)
    assert uninterrupted.returncode == 0, uninterrupted.stderr

    process = start(parts)
    process.send_signal(number)
    rest = process.communicate(timeout=60)[0]
    # By the signal itself, or with the code that says so after writing a checkpoint.
    assert process.returncode == (-9 if number == signal.SIGKILL else 143), rest
    assert (parts.base / "checkpoints" / "checkpoint.pt").is_file()
    assert not (parts.base / "output" / "data" / "metrics.json").exists()
    resumed = parts.run(*LONG)

    assert resumed.returncode == 0, resumed.stderr
    assert "goes on from a checkpoint: epoch " in resumed.stdout
    assert "epoch=1 " not in resumed.stdout
    assert parts.history() == whole.history()
    versions = [load(place.base / "model").manifest.version for place in (whole, parts)]
    assert versions[0] == versions[1]  # a hash over the weights
    metrics = [place.output("metrics.json") for place in (whole, parts)]
    assert metrics[0] == metrics[1]


def test_run_that_finds_its_features_is_the_one_that_computed_them(
    shapes: Path, tmp_path: Path
) -> None:
    place = Place(tmp_path / "job", shapes)
    place.base.mkdir()
    outcomes = []
    for source in ("computed and 0 reused", "features: found in"):
        done = place.run("--precision", "bf16", "--epochs", "3")
        assert done.returncode == 0, done.stderr
        assert source in done.stdout
        outcomes.append((place.history(), load(place.base / "model").manifest.version))

    assert outcomes[0] == outcomes[1]
