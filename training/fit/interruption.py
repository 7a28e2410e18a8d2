"""The end of a job that is announced with SIGTERM.

A shell, torchrun and the local cloud send it to the script. On AWS only SageMaker's toolkit gets
it, which does not forward it (aws/sagemaker-training-toolkit, issues 125 and 173): there the job
is killed, and goes on from the last checkpoint before.
"""

import signal
import sys

INTERRUPTED = 143  # what a shell calls the end by SIGTERM: 128 + 15


class Interruption:
    """SIGTERM: the machine is about to be taken away, or the job is stopped.

    Outside the training loop there is nothing to keep and the process ends. Inside it, `asked`
    tells the loop to write a checkpoint first.
    """

    def __init__(self) -> None:
        self.asked = self.in_loop = False
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self.asked = True
        if not self.in_loop:
            sys.exit(INTERRUPTED)
