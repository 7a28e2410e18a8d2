"""Two processes with folders of their own, as on two hosts."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.job.training_runs import Place

ARGUMENTS = ("--epochs", "2", "--batch-size", "8", "--views", "2")


def started(places: list[Place], *arguments: str) -> list[subprocess.Popen[str]]:
    """A process a host."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    meeting |= {"WORLD_SIZE": str(len(places)), "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    return [
        subprocess.Popen(
            place.command(*arguments), env=place.environ | meeting | {"RANK": str(rank)},
            cwd=place.base, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for rank, place in enumerate(places)
    ]  # fmt: skip


def together(places: list[Place], *arguments: str) -> list[str]:
    """What each host printed, after all have ended well."""
    running = started(places, *arguments)
    said = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(places), said
    return said


def kept_by(place: Place) -> list[str]:
    return [path.name for path in (place.base / "cache").iterdir()]


def test_first_host_that_is_new_gets_the_features_of_the_second(
    new_place: Callable[[str], Place],
) -> None:
    hosts = [new_place("first"), new_place("second")]
    shutil.rmtree(hosts[0].base / "cache")

    said = together(hosts, *ARGUMENTS)

    assert "features: 0 computed and 72 reused" in said[0]  # two views of 24, 12 and 12
    assert kept_by(hosts[0]) == kept_by(hosts[1])
    assert hosts[0].output("metrics.json")["test"]["top1"]["value"] >= 0.9
    assert not (hosts[1].base / "output" / "data" / "metrics.json").exists()


def test_photo_that_is_new_to_all_hosts_is_computed_by_one(
    shapes: Path, featured: Path, tmp_path: Path
) -> None:
    grown = tmp_path / "grown"
    shutil.copytree(shapes, grown)
    photo = next((shapes / "test").rglob("*.jpg")).read_bytes()
    (grown / "train" / "001.Red_box" / "new.jpg").write_bytes(photo)
    hosts = [Place(tmp_path / name, grown) for name in ("first", "second")]
    for host in hosts:
        shutil.copytree(featured / "cache", host.base / "cache")

    said = together(hosts, "--features-only", "true", "--views", "2")

    assert "features: 2 computed and 72 reused" in said[0]


def test_hosts_that_see_different_photos_are_told(shapes: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    shutil.copytree(shapes, part)
    next((part / "train").rglob("*.jpg")).unlink()
    hosts = [Place(tmp_path / "first", shapes), Place(tmp_path / "second", part)]
    for host in hosts:
        host.base.mkdir()
    with pytest.raises(AssertionError, match="the hosts of this job do not see the same photos"):
        together(hosts, *ARGUMENTS)


def test_host_that_lost_another_outlives_it_until_it_is_told_to_end(
    shapes: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(shapes, broken)
    photo = broken / "train" / "001.Red_box" / "1.jpg"  # the second host's to read
    photo.unlink()
    photo.symlink_to("nothing")
    hosts = [Place(tmp_path / "first", shapes), Place(tmp_path / "second", broken)]
    for host in hosts:
        host.base.mkdir()

    first, second = started(hosts, *ARGUMENTS)
    cause = second.communicate(timeout=300)[0]
    assert second.returncode == 1
    assert f"Exception: {photo} cannot be read: No such file or directory" in cause
    assert first.stdout is not None
    assert any("another process of this job has ended" in line for line in first.stdout)
    with pytest.raises(subprocess.TimeoutExpired):
        first.wait(2)

    first.send_signal(signal.SIGTERM)
    assert first.wait(5) == 143
