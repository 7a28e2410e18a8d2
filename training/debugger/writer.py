"""The process that writes a trial into its working directory, from frames on stdin.

    python -m training.debugger.writer < frames

The training process only measures and sends numbers through a pipe; this process builds records and
writes files beside it. The end of stdin is the end of the trial, whether the training process
closed it or died, so no writer outlives its training process.

Frames on stdin, little-endian: HEADER, then `length` bytes.
    kind >= 0: a step of that kind; the content is the float32 of its columns.
    kind < 0:  defines kind -kind - 1; the content is JSON {"mode": ..., "columns": [[name, size]]}.
"""

import json
import os
import struct
import sys
from pathlib import Path

from training.debugger.trial_files import Column, StepTemplate, TrialFiles

HEADER = struct.Struct("<iIIdI")  # kind, global step, mode step, time in s since the epoch, length
CHUNK_BYTES = 1 << 20


def define(kind: int, mode: str, columns: list[tuple[str, int]]) -> bytes:
    """The frame that defines a kind of step."""
    content = json.dumps({"mode": mode, "columns": columns}).encode()
    return HEADER.pack(-kind - 1, 0, 0, 0.0, len(content)) + content


def main() -> int:
    """Write frames until stdin ends."""
    trial = TrialFiles(Path())
    kinds: dict[int, StepTemplate] = {}
    buffer = b""
    while chunk := os.read(sys.stdin.fileno(), CHUNK_BYTES):
        buffer = read_frames(buffer + chunk, kinds, trial)
        trial.flush()  # frames that arrive together share an event file
    trial.end()
    return 0


def read_frames(buffer: bytes, kinds: dict[int, StepTemplate], trial: TrialFiles) -> bytes:
    """Add every complete frame to `kinds` or `trial`, return the rest."""
    start = 0
    while start + HEADER.size <= len(buffer):
        kind, step, mode_step, time_s, length = HEADER.unpack_from(buffer, start)
        end = start + HEADER.size + length
        if end > len(buffer):
            break
        content = buffer[start + HEADER.size : end]
        if kind < 0:
            definition = json.loads(content)
            columns = [Column(name, size) for name, size in definition["columns"]]
            kinds[-kind - 1] = StepTemplate(definition["mode"], columns)
        else:
            trial.add(kinds[kind], step, mode_step, time_s, content)
        start = end
    return buffer[start:]


if __name__ == "__main__":
    sys.exit(main())
