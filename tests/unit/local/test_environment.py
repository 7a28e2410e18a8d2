"""What points a shell at the local cloud, and what Lambda workers and containers get to see."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from local.environment import shell_lines, variables
from local.settings import ACCOUNT_ID, REGION, Settings, container_environment, proxies

THEIRS = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/home/me",
    "AWS_PROFILE": "production",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ENDPOINT_URL_S3": "https://elsewhere",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "PYTHONPATH": "/mine",
}


def _settings(tmp_path: Path, environ: dict[str, str]) -> Settings:
    return Settings.from_arguments(4999, str(tmp_path), "venv/bin/python", environ)


def _applied(lines: list[str], environ: dict[str, str]) -> dict[str, str]:
    """The environment of a POSIX shell after `eval`."""
    script = "\n".join([*lines, "env -0"])
    out = subprocess.run(["/bin/sh", "-ec", script], env=environ, capture_output=True, check=True)
    pairs = [row.split("=", 1) for row in out.stdout.decode().split("\0") if row]
    return {name: value for name, value in pairs if name not in ("PWD", "SHLVL", "_", "OLDPWD")}


def test_nothing_of_the_users_own_account_is_left() -> None:
    shell = _applied(shell_lines(4999, THEIRS), THEIRS)

    assert shell["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4999"
    assert shell["AWS_ACCESS_KEY_ID"] == "local"
    assert shell["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert shell["SAM_CLI_TELEMETRY"] == "0"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"} & shell.keys()


def test_sagemaker_sdk_asks_no_address_but_the_local_cloud() -> None:
    shell = _applied(shell_lines(4999, THEIRS), THEIRS)
    config = yaml.safe_load(Path(shell["SAGEMAKER_USER_CONFIG_OVERRIDE"]).read_text())
    modules = config["SageMaker"]["PythonSDK"]["Modules"]

    assert shell["SAGEMAKER_VALIDATE_ROLE"] == "false"
    assert modules["TelemetryOptOut"] is True
    assert modules["Session"]["DefaultS3Bucket"] == f"sagemaker-{REGION}-{ACCOUNT_ID}"


def test_lines_applied_twice_change_nothing_more() -> None:
    once = _applied(shell_lines(4999, THEIRS), THEIRS)
    twice = _applied(shell_lines(4999, once), once)

    assert once == twice
    assert once["PATH"].endswith(".venv/tools/bin:/usr/bin:/bin")
    assert once["PYTHONPATH"].endswith("local/aws_cli:/mine")


def test_lines_and_variables_say_the_same() -> None:
    assert _applied(shell_lines(4999, THEIRS), THEIRS) == variables(4999, THEIRS)


@pytest.mark.parametrize(
    ("theirs", "value"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": ""}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "corp.example, .internal"}, "corp.example,.internal,127.0.0.1,localhost"),
        ({"no_proxy": "localhost,10.0.0.0/8"}, "localhost,10.0.0.0/8,127.0.0.1"),
        ({"NO_PROXY": "a", "no_proxy": "b,a"}, "a,b,127.0.0.1,localhost"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_no_proxy_stands_before_the_cloud_and_what_was_excepted_stays(
    tmp_path: Path, theirs: dict[str, str], value: str
) -> None:
    environ = THEIRS | {"HTTP_PROXY": "http://proxy.example:3128"} | theirs
    shell = _applied(shell_lines(4999, environ), environ)
    workers = _settings(tmp_path, {}).ministack_environment(environ)

    for environment in (shell, workers, _applied(shell_lines(4999, shell), shell)):
        assert (environment["NO_PROXY"], environment["no_proxy"]) == (value, value)
        assert environment["HTTP_PROXY"] == "http://proxy.example:3128"


def test_way_to_the_internet_is_known_whatever_its_spelling() -> None:
    ways = {"HTTP_PROXY": "a", "https_proxy": "b", "No_Proxy": "c", "ALL_PROXY": "d"}

    assert proxies(ways | {"PROXY": "x", "HTTP_PROXY_HOST": "x", "PATH": "x"}) == ways


def test_value_with_shell_characters_is_quoted() -> None:
    environ = {"PATH": "/a b:/$(touch x):/it's"}

    assert _applied(
        shell_lines(1, {**environ, "PATH": environ["PATH"] + ":/usr/bin:/bin"}),
        {"PATH": "/usr/bin:/bin"},
    )["PATH"].endswith("/a b:/$(touch x):/it's:/usr/bin:/bin")


def test_workers_get_none_of_the_users_variables(tmp_path: Path) -> None:
    environment = _settings(tmp_path, {}).ministack_environment(THEIRS | {"VIRTUAL_ENV": "/v"})

    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "PYTHONPATH", "VIRTUAL_ENV"} & set(environment)
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4999"
    assert environment["HOME"] == "/home/me"
    assert environment["STATE_DIR"].startswith(str(tmp_path))


def test_workers_call_the_endpoint_url_that_the_cloud_was_started_with(tmp_path: Path) -> None:
    settings = _settings(tmp_path, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})

    assert settings.ministack_environment({})["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert settings.url == "http://127.0.0.1:4999"


def test_containers_see_no_credentials() -> None:
    assert set(container_environment(THEIRS)) == {
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "HOME",
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONUNBUFFERED",
    }
