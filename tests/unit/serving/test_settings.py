"""The endpoint's limits and its command line."""

import asyncio
import socket
from pathlib import Path

import pytest

from serving.host import listen, main
from serving.settings import Settings, SettingsError
from tests.unit.serving.pictures import write_package


def test_no_variables_give_the_defaults() -> None:
    assert Settings.from_env({}) == Settings()
    assert Settings().thread_count() >= 1


def test_variables_override_the_defaults() -> None:
    settings = Settings.from_env({"SERVING_MAX_BATCH": "4", "SERVING_THREADS": "3"})
    assert (settings.max_batch, settings.thread_count()) == (4, 3)


def test_requests_grow_with_the_threads_unless_told() -> None:
    assert Settings.from_env({"SERVING_THREADS": "2"}).request_limit() == 64
    told = {"SERVING_THREADS": "2", "SERVING_MAX_REQUESTS": "5"}
    assert Settings.from_env(told).request_limit() == 5


@pytest.mark.parametrize("text", ["", "many", "-1", "0", "1.5", "٣"])
def test_unusable_variable_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="SERVING_MAX_BATCH"):
        Settings.from_env({"SERVING_MAX_BATCH": text})


def test_wrong_argument_exits_2() -> None:
    with pytest.raises(SystemExit) as end:
        main(["--port", "many"])
    assert end.value.code == 2


def test_missing_package_exits_1_naming_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--model-dir", str(tmp_path)]) == 1
    assert f"{tmp_path}/manifest.json: cannot be read" in capsys.readouterr().err


def test_taken_port_exits_1_naming_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_package(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["--model-dir", str(tmp_path), "--port", port]) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_unusable_variable_exits_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERVING_MAX_PIXELS", "lots")
    assert main([]) == 1
    assert "SERVING_MAX_PIXELS='lots'" in capsys.readouterr().err


def test_answers_are_sent_without_waiting_for_acknowledgements() -> None:
    """Nagle's algorithm is off, or each answer would take 40 ms more."""

    async def scenario() -> int:
        delayed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            delayed.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = listen("127.0.0.1", 0)
        async with await asyncio.start_server(answer, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            writer.close()
            return await delayed

    assert asyncio.run(scenario()) == 1
