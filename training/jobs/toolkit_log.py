"""The lines of the script out of a job's log: AWS's toolkit writes hundreds around them.

Only what is shown is filtered; CloudWatch Logs keeps everything.
"""

from __future__ import annotations

import re

# The toolkit prints its environment as JSON and as variables between these two lines.
_DUMP_BEGINS = "Training Env:"
_DUMP_ENDS = "Invoking script with the following command:"
_OWN_LINES = re.compile(
    r"^\d{4}-\d\d-\d\d \S+ sagemaker[-_]\S+ +(INFO|DEBUG) |^Returning the value itself$"
)


class ScriptLines:
    """Tells a script's lines from the toolkit's; remembers whether the toolkit is in its dump."""

    def __init__(self) -> None:
        self._in_dump = False

    def wants(self, line: str) -> bool:
        """Whether to show `line`, the next one of the log."""
        if line.startswith(_DUMP_BEGINS):
            self._in_dump = True
        elif line.startswith(_DUMP_ENDS):
            self._in_dump = False
            return False
        return bool(line.strip()) and not self._in_dump and not _OWN_LINES.match(line)
