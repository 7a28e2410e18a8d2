"""How an endpoint's process starts and ends."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from serving.package import MANIFEST, WEIGHTS
from tests.integration.serving.hosts import Container, ray_host, uvicorn_host
from tests.integration.serving.requests import half_sent, photo, read_answer

NewContainer = Callable[[], Container]


def flip_last_byte(path: Path) -> None:
    """Change a file without changing its size."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_sigterm_lets_the_request_in_flight_finish(new_container: NewContainer) -> None:
    with uvicorn_host(new_container()) as host:
        upload = half_sent(host)
        with half_sent(host) as other:  # answered, so the first has been accepted as well
            other.sendall(photo()[-1:])
            assert read_answer(other)[0] == 200

        host.process.send_signal(signal.SIGTERM)
        upload.sendall(photo()[-1:])

        with upload:
            status, body = read_answer(upload)
        assert (status, "label" in body) == (200, True)
        assert host.process.wait(30) == 0


def test_bad_package_under_ray_is_never_healthy_and_the_log_says_why(
    new_container: NewContainer,
) -> None:
    """`serve run` belongs to Ray and stays; the failing health check is what ends the endpoint."""
    container = new_container()
    flip_last_byte(container.model / WEIGHTS)
    wanted = f"{container.model / WEIGHTS}: sha256 is "

    with ray_host(container, until_logged=wanted) as host:
        answer = httpx.get(host.url + "/ping", timeout=30, trust_env=False)

    assert answer.status_code != 200


def test_bad_package_exits_1_and_its_last_line_says_why(new_container: NewContainer) -> None:
    container = new_container()
    manifest = container.model / MANIFEST
    manifest.write_text(manifest.read_text().replace('"Beagle"', '"Basset"'))

    ended = subprocess.run(
        [sys.executable, "-m", "serving", "--model-dir", str(container.model)],
        cwd=container.work, env=container.environment(), timeout=120,
        check=False, capture_output=True, text=True,
    )  # fmt: skip

    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert last == f"error: {manifest}: labels hold Basset more than once"
