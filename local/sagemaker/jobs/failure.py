"""What ends a training job as Failed, and its FailureReason in AWS's form.

On AWS a script's own error is the first 1,024 characters of "AlgorithmError: <output/failure>, exit
code: <n>", where the toolkit has written output/failure. Of a longer text this keeps the end
instead, because that is where Python says what was wrong. What torchrun adds after it is left out.
"""

from __future__ import annotations

import signal

from local.sagemaker.container import last_line
from local.sagemaker.jobs.files import JobFiles


class JobFailedError(Exception):
    """The job cannot go on. The message is its FailureReason, as AWS words it."""


_HEAD_CHARS = 100
_MAX_WORDS_CHARS = 900  # leaves room for the exit code in a FailureReason of 1,024
# Who speaks in the first line that torchrun adds when a process of its own has failed.
_TORCHRUN = "torch/distributed/elastic/multiprocessing/api.py"
# A folder of gloo's source, which is in the message of every exchange that lost its other end. Exit
# codes do not tell: torchrun and the toolkit make 1 of all. Nor does a missing failure file: the
# toolkit writes one for every error.
_LOST_ANOTHER = "gloo/transport"


def lost_another(files: JobFiles) -> bool:
    """Whether a host that has failed names no cause of its own: another host left it."""
    if not files.failure_file.exists():
        return False
    return _LOST_ANOTHER in files.failure_file.read_text(errors="replace")


def failure_reason(files: JobFiles, code: int) -> str:
    """`code` is Popen's: negative for a signal."""
    if code < 0:
        name = signal.Signals(-code).name
        words = f"The container was killed by {name}. {last_line(files.log_file)}".strip()
        code = 128 - code  # as a shell and AWS count
    elif files.failure_file.exists():
        words = files.failure_file.read_text(errors="replace").strip()
    else:
        words = last_line(files.log_file)
    return f"AlgorithmError: {shortened(words)}, exit code: {code}"


def shortened(words: str) -> str:
    """At most 900 characters: the first hundred, and the end."""
    if len(words) <= _MAX_WORDS_CHARS:
        return words
    before, found, _ = words.partition(_TORCHRUN)
    if found:
        return shortened(before.rpartition("\n")[0])
    return f"{words[:_HEAD_CHARS]} ... {words[_HEAD_CHARS + 5 - _MAX_WORDS_CHARS :]}"
