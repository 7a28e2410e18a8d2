"""The `torchrun` of a job's hosts: the environment's own, at a port that is this job's.

SageMaker's toolkit lets the hosts of every job meet at port 7777 of the first one
(sagemaker_training/torch_distributed.py). On AWS each job has machines of its own; here all jobs,
and other local clouds, have this one. So a `torchrun` of ours comes first in a host's PATH. It runs
under the job's own interpreter, whose packages the script may need.
"""

from __future__ import annotations

import shlex
import socket
from pathlib import Path

_SCRIPT = """#!/bin/sh
before=
for word; do
  shift
  if [ "$before" = --master_port ]; then set -- "$@" {port}; else set -- "$@" "$word"; fi
  before=$word
done
exec {python} -m torch.distributed.run "$@"
"""


def free_port() -> int:
    """A port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def install(folder: Path, python: Path, port: int) -> None:
    """Write folder/torchrun."""
    folder.mkdir(exist_ok=True)
    script = folder / "torchrun"
    script.write_text(_SCRIPT.format(port=port, python=shlex.quote(str(python))))
    script.chmod(0o755)
