"""Two hosts, each with folders of its own, train as one; killed, they resume to the same model."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from serving.model import load
from tests.job.training_runs import Place

TORCHRUN = str(Path(sys.executable).with_name("torchrun"))
LONG = (
    *("--epochs", "12", "--batch-size", "4", "--views", "2", "--dropout", "0.2"),
    *("--patience", "12"),
)
KILLED_AFTER = 3


@contextmanager
def hosts(places: tuple[Place, Place]) -> Iterator[list[subprocess.Popen[str]]]:
    """Both hosts' torchrun, with the words that SageMaker's toolkit starts it with."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = ("--nnodes", "2", "--nproc_per_node", "1", "--master_addr", "127.0.0.1")
    running = [
        subprocess.Popen(
            [TORCHRUN, *where, "--master_port", str(port), "--node_rank", str(rank),
             *place.command(*LONG)[1:]],
            env=place.environ, cwd=place.base, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for rank, place in enumerate(places)
    ]  # fmt: skip
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


def run(places: tuple[Place, Place]) -> str:
    """To the end; what the first host printed."""
    with hosts(places) as (first, second):
        said = first.communicate(timeout=120)[0]
        assert second.communicate(timeout=30)[0].count("epoch=") == 0  # one of them prints
        assert (first.returncode, second.returncode) == (0, 0), said
    return said


def test_killed_host_ends_the_job_which_goes_on_to_the_same_model(
    new_place: Callable[[str], Place], shapes: Path, tmp_path: Path
) -> None:
    """GIVEN features that only the first host has, which it hands to the second."""
    whole, parts = new_place("whole"), new_place("parts")
    pairs = []
    for place in (whole, parts):
        other = Place(tmp_path / f"{place.base.name}-second", shapes)
        other.base.mkdir()
        pairs.append((place, other))
    run(pairs[0])

    with hosts(pairs[1]) as (first, second):
        assert first.stdout is not None
        assert any(line.startswith(f"epoch={KILLED_AFTER} ") for line in first.stdout)
        (worker,) = (
            one for one in psutil.Process(second.pid).children() if "train.py" in str(one.cmdline())
        )
        worker.send_signal(signal.SIGKILL)
        first.communicate(timeout=60)
        assert first.returncode != 0  # it does not go on alone
    said = run(pairs[1])

    assert "goes on from a checkpoint: epoch " in said
    assert "epoch=1 " not in said
    assert parts.history() == whole.history()
    versions = [load(place.base / "model").manifest.version for place in (whole, parts)]
    assert versions[0] == versions[1]  # a hash over the weights
    for _, second_host in pairs:
        assert not (second_host.base / "model").exists()  # the first host writes
