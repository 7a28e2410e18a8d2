"""Where the local cloud listens and keeps its state, and the environment that ministack reads.

Environment variables read here (none is required):
  AWS_ENDPOINT_URL  what Lambda workers call instead of the cloud itself; tests put a
    fault-injecting proxy there
  OMP_NUM_THREADS, LD_LIBRARY_PATH, LANG, LC_ALL, HOME, PATH, TMPDIR  handed on to serving processes
    and training jobs
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
DEFAULT_PORT = 4566
REGION = "us-east-1"
DEFAULT_JOB_PYTHON = ".venv/job/bin/python"
# A number that no one takes for a real account. Credentials that are not twelve digits belong to
# it.
ACCOUNT_ID = "123456789012"
ACCESS_KEY = "local"
SECRET_KEY = "local"  # noqa: S105 - not a secret: the local cloud checks no signature

# What a container on AWS would find in its environment too; the rest of the user's shell stays out
# of it.
# Where pip finds packages is known there as well.
_PASSED_ON = (
    "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "PATH", "TMPDIR",
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT", "XDG_CACHE_HOME",
)  # fmt: skip
_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


@dataclass(frozen=True)
class Settings:
    """One local cloud. Every path is absolute."""

    port: int
    state_dir: Path
    serving_python: Path
    job_python: Path
    worker_endpoint_url: str

    @classmethod
    def from_arguments(
        cls,
        port: int,
        state_dir: str,
        serving_python: str,
        environ: Mapping[str, str],
        job_python: str = DEFAULT_JOB_PYTHON,
    ) -> Settings:
        """Settings from the command line, and AWS_ENDPOINT_URL from `environ`."""
        # The interpreters are not resolve()d: that of a virtual environment is a symbolic link that
        # must stay one.
        own_url = f"http://{HOST}:{port}"
        return cls(
            port=port,
            state_dir=Path(state_dir).resolve(),
            serving_python=Path.cwd() / serving_python,
            job_python=Path.cwd() / job_python,
            worker_endpoint_url=environ.get("AWS_ENDPOINT_URL") or own_url,
        )

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def ministack_dir(self) -> Path:
        return self.state_dir / "ministack"

    @property
    def buckets_dir(self) -> Path:
        """A folder a bucket, in which ministack keeps each object as a file."""
        return self.ministack_dir / "s3" / ACCOUNT_ID

    @property
    def sagemaker_dir(self) -> Path:
        return self.state_dir / "sagemaker"

    @property
    def log_file(self) -> Path:
        return self.state_dir / "cloud.log"

    def ministack_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of the cloud's process, which ministack hands on to every Lambda
        worker.

        The user's own AWS_* and PYTHON* variables are left out: a function that works only because
        of them would fail on AWS.
        """
        kept = {
            name: value
            for name, value in environ.items()
            if not name.startswith(("AWS_", "PYTHON", "SAM_", "MINISTACK_", "LAMBDA_"))
            and name != "VIRTUAL_ENV"
        }
        return kept | {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": HOST,
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            "MINISTACK_REGION": REGION,
            "LAMBDA_EXECUTOR": "local",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.ministack_dir / "services"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.ministack_dir / "s3"),
            "AWS_ENDPOINT_URL": self.worker_endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            **without_proxy(environ),
        }


def without_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """NO_PROXY in both spellings, with what either says already and this machine's own names.

    A proxy cannot reach the cloud, and programs differ in which spelling they read.
    """
    said = [environ.get(name, "") for name in ("NO_PROXY", "no_proxy")]
    entries = [entry.strip() for text in said for entry in text.split(",")]
    if "*" in entries:
        value = "*"  # nothing goes through the proxy; curl and urllib know the star only alone
    else:
        value = ",".join(dict.fromkeys(entry for entry in [*entries, HOST, "localhost"] if entry))
    return {"NO_PROXY": value, "no_proxy": value}


def proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of `environ` that says how the internet is reached."""
    return {name: value for name, value in environ.items() if name.lower() in _PROXIES}


def container_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of `environ` that a serving process or a training job may see."""
    return {name: environ[name] for name in _PASSED_ON if name in environ} | {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
