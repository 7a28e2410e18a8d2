"""The slim image, built from its Dockerfile's own steps and run as SageMaker runs containers."""

import contextlib
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rigs import heic
from rigs.box import (
    USER,
    Box,
    BuiltImage,
    NoNamespacesError,
    build,
    look_for_namespaces,
    running,
)
from rigs.requests import (
    JPEG,
    batch,
    large_png,
    photo,
    read_answer,
    upload_but_one_byte,
)
from serving.package import unpack
from serving.settings import Settings
from tests.odd_files import HOSTILE

START_TIMEOUT_S = 150


@pytest.fixture(scope="module")
def image() -> Iterator[BuiltImage]:
    """The image's folder."""
    try:
        look_for_namespaces()
    except NoNamespacesError as error:
        pytest.skip(f"NOT TESTED: the slim image needs namespaces, not allowed here: {error}")
    folder = Path(tempfile.mkdtemp(prefix="image-"))
    folder.chmod(0o755)
    yield build(folder)
    shutil.rmtree(folder)


@pytest.fixture
def work() -> Iterator[Path]:
    """Where the package is unpacked; readable for any user, as SageMaker has it."""
    folder = Path(tempfile.mkdtemp(prefix="box-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def model(work: Path, package: Path) -> Path:
    """The starter model's package, unpacked."""
    folder = work / "model"
    unpack(package, folder)
    return folder


def caller(box: Box) -> httpx.Client:
    """Speaks to the container."""
    transport = httpx.HTTPTransport(uds=str(box.socket))
    return httpx.Client(transport=transport, base_url="http://box", timeout=60)


def wait_until_up(box: Box) -> httpx.Client:
    """Ask /ping, as SageMaker does, until it answers 200."""
    client, deadline = caller(box), time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and box.process.poll() is None:
        try:
            if client.get("/ping").status_code == 200:
                return client
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"not up, exit code {box.process.poll()}:\n{box.log.read_text()}")


def assert_confined(box: Box) -> None:
    """What the kernel says of the first process: that the box is as tight as it claims."""
    proc = Path(f"/proc/{box.first}")
    told = dict(
        line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line
    )
    assert told["NSpid"].split()[-1] == "1"
    assert box.capabilities() == 0
    interfaces = [
        line.split(":")[0].strip() for line in (proc / "net/dev").read_text().splitlines()
    ]
    assert interfaces[2:] == ["lo"]
    if os.geteuid() == 0:  # or else a look into the other user's world is refused to us
        assert told["Uid"].split() == [str(USER)] * 4
        root = proc / "root"
        assert not (root / "dev/shm").exists()
        for place in ("opt/ml/model", "usr/local", "etc", ""):
            with pytest.raises(OSError, match="Read-only"):
                (root / place / "written").touch()


@pytest.mark.parametrize("memory_mb", [2048, 3072])
def test_container_as_sagemaker_starts_it_answers_and_ends_with_its_last_answer(
    image: BuiltImage, model: Path, work: Path, memory_mb: int
) -> None:
    with (
        running(image, model, work, memory_mb) as box,
        contextlib.closing(wait_until_up(box)) as client,
    ):
        assert_confined(box)

        single = client.post("/invocations", content=photo(), headers=JPEG)
        assert (single.status_code, "label" in single.json()) == (200, True)
        many = client.post("/invocations", json=batch(*map(photo, range(10))))
        assert many.status_code == 200
        assert ["label" in one for one in many.json()["predictions"]] == [True] * 10
        large = b"\0" * (Settings().max_body_bytes + 1)
        assert client.post("/invocations", content=large, headers=JPEG).status_code == 413
        # In a process of its own, which needs neither a disk nor shared memory.
        for slow in (large_png(), heic.UPRIGHT, HOSTILE["webp of 49 megapixels"].make()):
            answer = client.post("/invocations", content=slow, headers=JPEG)
            told = answer.text + box.log.read_text()
            assert (answer.status_code, "label" in answer.json()) == (200, True), told
        print(f"limit {memory_mb} MB by {box.limited_by}, peak {box.peak_mb():.0f} MB")

        upload = socket.socket(socket.AF_UNIX)
        upload.settimeout(60)
        upload.connect(str(box.socket))
        with upload:
            upload_but_one_byte(upload, photo())
            # Answered after it, so the server has the upload as well.
            assert client.get("/ping").status_code == 200
            os.kill(box.first, signal.SIGTERM)
            wait_until_closed(box)
            upload.sendall(photo()[-1:])
            status, body = read_answer(upload)
        assert (status, "label" in body) == (200, True)
        assert box.process.wait(60) == 0


def wait_until_closed(box: Box) -> None:
    """Until no new connection is answered."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with caller(box) as client:
                client.get("/ping")
        except httpx.TransportError:
            return
        time.sleep(0.05)
    raise AssertionError(f"takes requests 30 s after SIGTERM:\n{box.log.read_text()}")


def test_nothing_of_a_container_is_left(image: BuiltImage, model: Path, work: Path) -> None:
    with running(image, model, work) as box, contextlib.closing(wait_until_up(box)):
        pass
    deadline = time.monotonic() + 10
    while Path(f"/proc/{box.first}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_package_without_code_ends_the_container_in_words(
    image: BuiltImage, model: Path, work: Path
) -> None:
    shutil.rmtree(model / "code")
    with running(image, model, work) as box:
        assert box.process.wait(60) == 1
        assert "error: /opt/ml/model/code/serving is missing" in box.log.read_text()


def test_damaged_package_ends_the_container_in_words(
    image: BuiltImage, model: Path, work: Path
) -> None:
    (model / "manifest.json").write_text("{")
    with running(image, model, work) as box:
        assert box.process.wait(60) == 1
        assert "error: /opt/ml/model/manifest.json: " in box.log.read_text()
