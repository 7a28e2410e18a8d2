"""How commands end at a terminal: their console, and the exit code of what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from training.jobs.errors import CommandError, UsageError

# A file or a pipe has no width of its own; tables need about this much.
PIPE_WIDTH = 150


def make_console() -> Console:
    """As wide as the terminal, or as tables need."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def say(console: Console, words: str) -> None:
    """A line of plain text: names and log lines may hold what rich takes for mark-up."""
    console.print(words, markup=False, highlight=False, soft_wrap=True)


def exit_code(command: Callable[[], int]) -> int:
    """The command's own, or 1 or 2 with the reason on stderr where it could not end well."""
    try:
        return command()
    except UsageError as error:
        return _end(str(error), 2)
    except CommandError as error:
        return _end(str(error), 1)
    except (BotoCoreError, ClientError) as error:
        return _end(f"AWS said no: {error}", 1)
    except KeyboardInterrupt:
        return _end("Interrupted.", 1)


def _end(words: str, code: int) -> int:
    print(words, file=sys.stderr)
    return code
