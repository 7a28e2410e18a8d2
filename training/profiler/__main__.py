"""Rebuild a profiler report from recorded files: `python -m training.profiler <folder>`.

The folder is a job's output, or a copy of the `profiler-output/` that SageMaker or this profiler
uploaded. Exit code 0: written; 1: it could not be; 2: used wrongly, or no recording there.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training.profiler.reader import find_folder, read
from training.profiler.report import write_report


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, analyse, write; print the page's path."""
    parser = argparse.ArgumentParser(
        prog="python -m training.profiler",
        description="Rebuild the profiler report of a training job from what it recorded.",
    )
    parser.add_argument(
        "folder", type=Path, help="output folder of the job, or its profiler-output"
    )
    parser.add_argument("--report-dir", type=Path, help="where to write (default: the folder)")
    options = parser.parse_args(arguments)
    try:
        folder = find_folder(options.folder)
    except FileNotFoundError as error:
        parser.error(str(error))
    try:
        path = write_report(read(folder), options.report_dir or options.folder)
    except OSError as error:
        print(f"the report could not be written: {error}", file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
