"""Runs the tools a user would type, each as one line that ends in a tick and its seconds."""

from __future__ import annotations

import subprocess
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.status import Status

TAIL_LINES = 25


class StepError(Exception):
    """A step failed; the words hold what was run and the last lines it printed."""


class Steps:
    """Prints the steps of one run to `console`; `log` receives everything the tools print.

    `seconds` holds how long each finished step took, by title.
    """

    def __init__(self, console: Console, log: Path) -> None:
        self._console = console
        self._log = log
        self.seconds: dict[str, float] = {}
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")

    @contextmanager
    def step(self, title: str) -> Iterator[Status]:
        """A spinner while the body runs; then a tick with its seconds, or a cross if it raised."""
        started = time.monotonic()
        with self._console.status(title) as status:
            try:
                yield status
            except BaseException:
                self._console.print(f"[red]✗[/red] {title}", highlight=False)
                raise
        seconds = self.seconds[title] = time.monotonic() - started
        self._console.print(f"[green]✓[/green] {title} [dim]{seconds:.1f} s[/dim]", highlight=False)

    def run(
        self,
        title: str,
        command: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        echo: bool = False,
    ) -> str:
        """Runs `command`, its newest line beside the spinner, and returns what it printed.

        `echo` shows every line and keeps it on the screen. The command is ended when the caller is
        interrupted.

        Raises StepError with the last lines when it ends with another exit code than 0.
        """
        with self.step(title) as status:
            lines: list[str] = []
            tail: deque[str] = deque(maxlen=TAIL_LINES)
            with (
                self._log.open("a") as log,
                subprocess.Popen(
                    command,
                    env=dict(env),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                ) as process,
            ):
                log.write("$ " + " ".join(command) + "\n")
                try:
                    for line in process.stdout or ():
                        log.write(line)
                        lines.append(line)
                        if line.strip():
                            tail.append(line.rstrip())
                            status.update(f"{title} [dim]{_plain(line)}[/dim]")
                            if echo:
                                self._echo(line)
                except BaseException:
                    process.terminate()
                    raise
            if process.returncode != 0:
                raise StepError(
                    f"`{' '.join(command)}` ended with exit code {process.returncode}:\n"
                    + "\n".join(tail)
                    + f"\nEverything it printed: {self._log}"
                )
        return "".join(lines)

    def _echo(self, line: str) -> None:
        self._console.print(f"  {line.rstrip()}", style="dim", markup=False, highlight=False)


def _plain(line: str) -> str:
    """The line, short and without what rich would take for mark-up."""
    return line.strip().split("\r")[-1][:80].replace("[", "(").replace("]", ")")
