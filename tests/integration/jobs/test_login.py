"""Credentials of `aws login`, in every environment that talks to AWS."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from rigs.photos import ROOT

SESSION = "arn:aws:iam::111122223333:user/developer"
CONFIG = f"[profile me]\nlogin_session = {SESSION}\nregion = eu-west-1\n"
LOOK = """
import botocore.session
found = botocore.session.Session(profile="me").get_credentials().get_frozen_credentials()
print(found.access_key, found.token)
"""


def _look(environment: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "config").write_text(CONFIG)
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= {"AWS_CONFIG_FILE": str(folder / "config"), "AWS_LOGIN_CACHE_DIRECTORY": str(folder)}
    python = ROOT / ".venv" / environment / "bin" / "python"
    return subprocess.run(
        [str(python), "-c", LOOK], env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("environment", ["project", "sdk"])
def test_login_session_gives_its_credentials(environment: str, tmp_path: Path) -> None:
    token = {
        "accessToken": {
            "accessKeyId": "ASIAEXAMPLE",
            "secretAccessKey": "secret",
            "sessionToken": "token",
            "accountId": "111122223333",
            "expiresAt": "2099-01-01T00:00:00Z",
        },
        "refreshToken": "refresh",
        "dpopKey": "key",
        "clientId": "client",
    }
    name = hashlib.sha256(SESSION.encode()).hexdigest()
    (tmp_path / f"{name}.json").write_text(json.dumps(token))
    done = _look(environment, tmp_path)

    assert done.stdout.split() == ["ASIAEXAMPLE", "token"], done.stderr


@pytest.mark.parametrize("environment", ["project", "sdk"])
def test_login_that_is_over_asks_to_log_in_again(environment: str, tmp_path: Path) -> None:
    assert "Please reauthenticate with 'aws login'" in _look(environment, tmp_path).stderr
