"""The shell lines that make sam, aws, boto3 and the SageMaker SDK talk to the local cloud:
eval "$(make -s env)".
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from local.settings import ACCESS_KEY, HOST, REGION, SECRET_KEY, without_proxy

_REPOSITORY = Path(__file__).resolve().parent.parent
_TOOLS = _REPOSITORY / ".venv" / "tools" / "bin"
# An AWS configuration of our own in place of ~/.aws, and the plugin that it names (see its
# docstring).
_AWS_CLI = _REPOSITORY / "local" / "aws_cli"
_SDK_CONFIG = _REPOSITORY / "local" / "sdk_config.yaml"
# Whatever else of the user's may be set, these decide which account a tool talks to.
_ALWAYS_UNSET = {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"}


def variables(port: int, environ: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a tool that talks to the cloud on `port`."""
    unset = _unset(environ)
    return {k: v for k, v in environ.items() if k not in unset} | _exports(port, environ)


def shell_lines(port: int, environ: Mapping[str, str]) -> list[str]:
    """unset and export lines for a POSIX shell. Applying them twice changes nothing more."""
    exports = _exports(port, environ)
    unset = sorted(_unset(environ) - exports.keys())
    lines = [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
    return [f"unset {' '.join(unset)}", *lines]


def _exports(port: int, environ: Mapping[str, str]) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": str(_AWS_CLI / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "SAM_CLI_TELEMETRY": "0",
        **without_proxy(environ),
        # The SageMaker SDK would look a role up in IAM's real address before it starts a job.
        "SAGEMAKER_VALIDATE_ROLE": "false",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(_SDK_CONFIG),
        "PATH": _in_front(str(_TOOLS), environ.get("PATH", "")),
        "PYTHONPATH": _in_front(str(_AWS_CLI), environ.get("PYTHONPATH", "")),
    }


def _unset(environ: Mapping[str, str]) -> set[str]:
    """The user's own AWS settings: a profile, say, would beat what is exported."""
    return {name for name in environ if name.startswith("AWS_")} | _ALWAYS_UNSET


def _in_front(entry: str, path: str) -> str:
    return ":".join([entry, *(other for other in path.split(":") if other not in ("", entry))])
