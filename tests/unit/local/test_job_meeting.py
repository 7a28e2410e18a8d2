"""Jobs of several hosts and the one port of this machine on which they meet."""

from __future__ import annotations

import socket
import threading

import pytest

from local.sagemaker.jobs.failure import JobFailedError
from local.sagemaker.jobs.meeting import Meeting


@pytest.fixture
def listener() -> socket.socket:
    found = socket.create_server(("", 0))
    found.listen()
    return found


def test_job_starts_when_the_port_is_free_again(listener: socket.socket) -> None:
    meeting, started = Meeting(listener.getsockname()[1]), threading.Event()

    def job() -> None:
        with meeting.held(threading.Event()):
            started.set()

    thread = threading.Thread(target=job)
    thread.start()
    assert not started.is_set()
    listener.close()
    assert started.wait(20)
    thread.join()


def test_port_that_stays_in_use_is_told(listener: socket.socket) -> None:
    meeting = Meeting(listener.getsockname()[1], patience_s=0)
    with (
        listener,
        pytest.raises(JobFailedError, match="stayed in use"),
        meeting.held(threading.Event()),
    ):
        pass


def test_second_job_waits_for_the_first_and_can_be_stopped() -> None:
    with socket.create_server(("", 0)) as found:
        port = found.getsockname()[1]
    meeting, stopping, passed = Meeting(port), threading.Event(), threading.Event()

    def second() -> None:
        with meeting.held(stopping):
            passed.set()

    with meeting.held(threading.Event()):
        thread = threading.Thread(target=second)
        thread.start()
        assert not passed.is_set()
        stopping.set()
        thread.join(20)
        assert passed.is_set()  # to find that it is to stop
