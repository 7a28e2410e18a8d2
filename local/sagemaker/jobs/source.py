"""The script's code: unpacked before the toolkit starts, which then neither downloads it nor runs
`pip install -r requirements.txt` over it.

What differs from AWS: requirements.txt is not in the code folder while the script runs.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from local.sagemaker import package
from local.sagemaker.jobs.errors import JobError
from local.sagemaker.jobs.layout import Layout
from local.sagemaker.package import PackageError

PROGRAM = "sagemaker_program"
ARCHIVE = "sagemaker_submit_directory"
_CHANNELS = PurePosixPath("/opt/ml/input/data")


def text(hyperparameters: dict[str, str], name: str) -> str:
    """A hyperparameter that is text: the SDK may have written it as JSON, the toolkit takes both.

    Empty where there is none.
    """
    value = hyperparameters.get(name, "")
    try:
        decoded: Any = json.loads(value)
    except ValueError:
        return value
    return decoded if isinstance(decoded, str) else value


def install(cloud_url: str, hyperparameters: dict[str, str], layout: Layout) -> None:
    """Fetch and unpack the archive into the code folder. Raises JobError."""
    where = text(hyperparameters, ARCHIVE)
    fetched = layout.home / "sourcedir.tar.gz"
    try:
        if where.startswith("s3://"):
            archive = fetched
            package.fetch(cloud_url, where, archive)
        else:
            archive = layout.data / PurePosixPath(where).relative_to(_CHANNELS)
        package.unpack(archive, layout.code)
    except PackageError as error:
        raise JobError(f"ClientError: the source archive {where}: {error}") from error
    finally:
        fetched.unlink(missing_ok=True)
    program = text(hyperparameters, PROGRAM)
    if not (layout.code / program).is_file():
        raise JobError(f"ClientError: {program} ({PROGRAM}) is not in the source archive {where}.")
    if (layout.code / "setup.py").exists():
        raise JobError(
            "ClientError: the source archive has a setup.py, with which the toolkit would install "
            "it into the environment that the local jobs share. Leave it out."
        )
    requirements = layout.code / "requirements.txt"
    if requirements.exists():
        requirements.rename(layout.requirements)


def is_acceptable(where: str) -> bool:
    """Whether `install` knows how to fetch what `sagemaker_submit_directory` names."""
    path = PurePosixPath(where)
    inside = path.is_relative_to(_CHANNELS) and ".." not in path.parts
    return where.startswith("s3://") or inside
