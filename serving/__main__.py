"""Serve a model package with uvicorn: `python -m serving --model-dir DIR --port N`.

Exit codes: 0 after SIGTERM or Ctrl-C, 1 when the package or the port cannot be used (the last line
on standard error says why), 2 for a wrong argument.
"""

import os
import signal
import sys
from types import FrameType


def leave_at_once(number: int, frame: FrameType | None) -> None:
    """End with exit code 0, wherever the process is: nothing has been answered yet."""
    os._exit(0)  # an exception could be swallowed by whatever is being imported or compiled


if __name__ == "__main__":
    # Before the imports, which take most of the start. As a container's first process this would
    # otherwise not even end at SIGTERM: the kernel gives such a one no default handlers.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, leave_at_once)
    from serving.host import main

    sys.exit(main())
