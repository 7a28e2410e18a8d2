"""How an endpoint's process starts and ends, under its hosts."""

import hashlib
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from rigs.hosts import (
    Container,
    EndedAtStartError,
    StartHost,
    serve_run_host,
    spawn,
    uvicorn_host,
    wait_until_closed,
)
from rigs.requests import half_sent, photo, read_answer
from serving.package import MANIFEST, WEIGHTS, read_package

NewContainer = Callable[[], Container]


def flip_last_byte(model: Path) -> str:
    """Change the weights without changing their size."""
    path = model / WEIGHTS
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    return f"{path}: sha256 is "


def narrow_a_tensor(model: Path) -> str:
    """Weights of another shape, with a manifest that fits them otherwise."""
    path = model / WEIGHTS
    manifest, _ = read_package(model)
    weights = load_file(path)
    name = min(name for name in weights if name.startswith("head.") and name.endswith("weight"))
    weights[name] = weights[name][:, :-1].contiguous()
    save_file(weights, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (model / MANIFEST).write_text(replace(manifest, weights_sha256=digest).to_json())
    return f"{path}: tensor {name} "


def remove_the_weights(model: Path) -> str:
    """A package without its largest file."""
    (model / WEIGHTS).unlink()
    return f"{model / WEIGHTS}: cannot be read: No such file or directory"


def name_a_breed_twice(model: Path) -> str:
    """A manifest that contradicts itself."""
    path = model / MANIFEST
    path.write_text(path.read_text().replace('"Beagle"', '"Basset"'))
    return f"{path}: labels hold Basset more than once"


@pytest.mark.parametrize(
    "spoil", [flip_last_byte, narrow_a_tensor, remove_the_weights, name_a_breed_twice]
)
def test_bad_package_exits_1_and_names_the_file_and_the_mismatch(
    start_host: StartHost, new_container: NewContainer, spoil: Callable[[Path], str]
) -> None:
    container = new_container()
    wanted = spoil(container.model)

    with pytest.raises(EndedAtStartError) as ended, start_host(container):
        pass

    assert ended.value.exit_code == 1
    (said,) = (line for line in ended.value.log.splitlines() if line.startswith("error: "))
    assert said.startswith(f"error: {wanted}")


# Not in AWS's image, whose first process is a shell that passes no signal on: there the container
# goes on answering until SageMaker, which has moved the traffic before, kills it.
@pytest.mark.parametrize("start", [uvicorn_host, serve_run_host])
def test_sigterm_answers_the_request_in_flight_and_then_exits_0(
    start: StartHost, new_container: NewContainer
) -> None:
    with start(new_container()) as host:
        upload = half_sent(host)
        with half_sent(host) as other:  # answered, so the first has been accepted as well
            other.sendall(photo()[-1:])
            assert read_answer(other)[0] == 200

        host.process.send_signal(signal.SIGTERM)
        wait_until_closed(host)
        upload.sendall(photo()[-1:])

        with upload:
            status, body = read_answer(upload)
        assert (status, "label" in body) == (200, True)
        assert host.process.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
@pytest.mark.parametrize("moment", ["openvino", "model.safetensors"])
def test_signal_during_the_start_exits_0_without_a_word(
    new_container: NewContainer, number: signal.Signals, moment: str
) -> None:
    """As soon as the process opens a file of this name: while it imports, and while it loads."""
    container = new_container()
    spy = container.path[0] / "sitecustomize.py"
    spy.write_text(STOP_AT_FILE.format(name=moment, number=int(number)))
    command = [sys.executable, "-m", "serving", "--model-dir", str(container.model), "--port", "0"]
    with spawn(container, command, "http://127.0.0.1:0") as host:
        assert host.process.wait(60) == 0
        assert host.log.read_text() == ""


# Held until the signal has come, so that it always comes at this moment.
STOP_AT_FILE = """
import os, signal, sys
def _stop(event, arguments):
    if event == "open" and "{name}" in str(arguments[0]):
        os.kill(os.getpid(), {number})
sys.addaudithook(_stop)
"""
