"""Start, stop, start again, and every way in which the start can fail."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from local.children import descendants
from local.launch import EMULATOR_PYTHON, ROOT, Cloud, CloudError, free_port
from tests.integration.local.conftest import SageMaker, archive
from tests.waiting import wait_until


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud that the test may stop and kill."""
    cloud = Cloud(tmp_path / "state")
    cloud.start()
    yield cloud
    cloud.stop()


def _start(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m local` that is expected to end by itself."""
    return subprocess.run(
        [str(EMULATOR_PYTHON), "-m", "local", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _exit_code(cloud: Cloud) -> int:
    """Waits for a cloud that was sent a signal."""
    process = cloud._process
    assert process is not None
    return process.wait(timeout=30)


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_state_survives_stop_and_start(own_cloud: Cloud) -> None:
    # GIVEN a bucket with an object, a table with an item, a queue with a message, an endpoint
    table = {
        "TableName": "dogs",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
    }
    s3, dynamodb, sqs = (own_cloud.client(name) for name in ("s3", "dynamodb", "sqs"))
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="a b+ü", Body=b"photo")
    dynamodb.create_table(**table)
    dynamodb.put_item(TableName="dogs", Item={"k": {"S": "rex"}})
    url = sqs.create_queue(QueueName="waiting")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    sagemaker = SageMaker(own_cloud)
    name = sagemaker.endpoint(archive())
    before = sagemaker.invoke(name)

    # WHEN the cloud is stopped and started
    own_cloud.stop()
    assert _gone(before["pid"])
    own_cloud.start()

    # THEN all of it is there, and the endpoint's process is a new one
    assert s3.get_object(Bucket="kept", Key="a b+ü")["Body"].read() == b"photo"
    assert dynamodb.scan(TableName="dogs")["Items"] == [{"k": {"S": "rex"}}]
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "hello"
    after = sagemaker.invoke(name)  # waits for the new process
    assert sagemaker.settled(name)["EndpointStatus"] == "InService"
    assert after["marker"] == before["marker"]
    assert after["pid"] != before["pid"]


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGHUP], ids=["ctrl_c", "closed_terminal"]
)
def test_cloud_ends_cleanly_and_leaves_no_child(own_cloud: Cloud, number: signal.Signals) -> None:
    sagemaker = SageMaker(own_cloud)
    serving = sagemaker.invoke(sagemaker.endpoint(archive()))["pid"]
    assert own_cloud.pid is not None
    assert serving in descendants(own_cloud.pid)

    os.kill(own_cloud.pid, number)

    assert _exit_code(own_cloud) == 0
    assert _gone(serving)
    assert "The local cloud has stopped." in own_cloud.output()


def test_killed_cloud_starts_again_and_ends_what_it_left_behind(own_cloud: Cloud) -> None:
    sagemaker = SageMaker(own_cloud)
    name = sagemaker.endpoint(archive())
    left_behind = sagemaker.invoke(name)["pid"]

    assert own_cloud.pid is not None
    os.kill(own_cloud.pid, signal.SIGKILL)
    assert _exit_code(own_cloud) == -signal.SIGKILL
    assert not _gone(left_behind)
    own_cloud.start()

    wait_until(lambda: _gone(left_behind))
    assert sagemaker.settled(name)["EndpointStatus"] == "InService"
    assert sagemaker.invoke(name)["pid"] != left_behind


def test_busy_port_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        ended = _start("--port", port, "--state-dir", str(tmp_path))

    assert ended.returncode == 1
    assert f"port {port} of 127.0.0.1 is in use" in ended.stderr
    assert "--port" in ended.stderr


def test_of_two_that_start_at_once_on_one_port_one_is_told(tmp_path: Path) -> None:
    port = free_port()
    clouds = [Cloud(tmp_path / name, port=port) for name in ("one", "two")]

    def start(cloud: Cloud) -> str:
        try:
            cloud.start()
        except CloudError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        words = "".join(pool.map(start, clouds))
    running = [cloud for cloud in clouds if cloud._process and cloud._process.poll() is None]
    for cloud in clouds:
        cloud.stop()

    assert len(running) == 1
    assert f"port {port} of 127.0.0.1 is in use" in words or words == ""
    assert "Traceback" not in "".join(cloud.output() for cloud in clouds)


def test_signal_while_it_starts_ends_it_without_a_traceback(tmp_path: Path) -> None:
    """At moments spread over the start, whatever it is doing then."""
    for number in range(6):
        cloud = Cloud(tmp_path / str(number))
        starting = threading.Thread(target=_start_quietly, args=(cloud,))
        starting.start()
        wait_until(lambda cloud=cloud: cloud.pid)  # type: ignore[misc]
        process = cloud._process
        assert process is not None
        wait_until(lambda cloud=cloud: (cloud.state_dir / "lock").exists())  # type: ignore[misc]
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=number * 0.2)
        process.send_signal((signal.SIGINT, signal.SIGTERM)[number % 2])
        assert process.wait(timeout=30) == 0, cloud.output()
        starting.join(timeout=60)
        assert "Traceback" not in cloud.output()


def _start_quietly(cloud: Cloud) -> None:
    with suppress(CloudError):
        cloud.start()


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_state_directory_that_can_be_none_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")

    ended = _start("--port", str(free_port()), "--state-dir", str(tmp_path / where))

    assert ended.returncode == 1
    assert "cannot hold the state" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_second_cloud_on_one_state_directory_is_refused(own_cloud: Cloud) -> None:
    ended = _start("--port", str(free_port()), "--state-dir", str(own_cloud.state_dir))

    assert ended.returncode == 1
    assert f"in use by the cloud with process id {own_cloud.pid}" in ended.stderr
    assert f"on port {own_cloud.port}" in ended.stderr


@pytest.mark.parametrize("file", ["ministack/services/s3.json", "sagemaker/state.json"])
def test_half_written_state_is_named_and_not_skipped(tmp_path: Path, file: str) -> None:
    cloud = Cloud(tmp_path / "state")
    broken = cloud.state_dir / file
    broken.parent.mkdir(parents=True)
    broken.write_text('{"half": ')

    with pytest.raises(CloudError) as raised:
        cloud.start()

    assert str(broken) in str(raised.value)
    assert "to start afresh" in str(raised.value)


def test_missing_serving_interpreter_is_named(tmp_path: Path) -> None:
    ended = _start("--serving-python", "/nowhere/python", "--state-dir", str(tmp_path))

    assert ended.returncode == 1
    assert "/nowhere/python is not an interpreter" in ended.stderr


def test_wrong_usage_exits_with_two() -> None:
    assert _start("--port", "70000").returncode == 2
