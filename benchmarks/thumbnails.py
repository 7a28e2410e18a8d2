"""What thumbnails cost the local path: `python -m benchmarks.thumbnails [--pairs 12]`.

Pairs of bursts on one stack, with thumbnails and without: the function's code is exchanged for a
copy that writes none. Also the CPU time a photo, of the function and of the local cloud. Twice:

- As it is. Function, endpoint, cloud and uploader share this machine's cores and keep them busy, so
  whatever costs CPU time costs photos a second. About half of a thumbnail's cost is the cloud's own
  work for one more object, which on AWS is S3's.
- With an endpoint that takes ENDPOINT_S a request longer, without work for this machine. Then the
  endpoint is what limits the pipeline, as on AWS, where functions have cores of their own.

Writes thumbnails.json. `make model` has to have run.
"""

import argparse
import io
import os
import statistics
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.report import ROOT, machine, write
from benchmarks.whole_path import WholePath, deployed
from local.launch import Cloud

BUILT = ROOT / ".aws-sam" / "build" / "ClassifyFunction"
KINDS = ("with", "without")
# Eight functions that wait for so long send ten photos each: at most 8 x 10 / 1.0 = 80 a second,
# and far fewer as batches of a burst are smaller: the cores of a small machine have a reserve.
ENDPOINT_S = 1.0
SLOW = f"""
import time
_asked = predict
def predict(*arguments):
    time.sleep({ENDPOINT_S})
    return _asked(*arguments)
"""
# By what stands in a process's command line.
PROCESSES = {"function": b"_worker.py", "cloud": b"-m\0local\0"}

Rates = dict[str, dict[str, float]]


def main() -> int:
    """Deploy, measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=12)
    options = parser.parse_args()
    console = Console()
    with deployed(console, options.photos) as path:
        path.burst(path.contents, "warm")
        found = {
            words: [
                pair(path, number, slow)
                for number in track(range(options.pairs), words, console=console)
            ]
            for words, slow in (("busy cores", False), ("waiting for the endpoint", True))
        }
    result = {words: report(console, words, pairs, path) for words, pairs in found.items()}
    about = {"photos": len(path.contents), "source": path.source, "machine": machine()}
    limited = {"endpoint_limited": result["waiting for the endpoint"] | {"endpoint_s": ENDPOINT_S}}
    write("thumbnails", about | result["busy cores"] | limited)
    return 0


def pair(path: WholePath, number: int, slow: bool) -> Rates:
    """With thumbnails and without, the first one in turns."""
    found = {}
    for kind in KINDS if number % 2 else KINDS[::-1]:
        path.cloud.client("lambda").update_function_code(
            FunctionName=path.outputs["FunctionName"], ZipFile=code(kind == "with", slow)
        )
        path.burst(path.contents[:20], f"warm-{number}-{kind}-{slow}")
        before = cpu_ms(path.cloud)
        spent_s = path.burst(path.contents, f"pair-{number}-{kind}-{slow}")
        after = cpu_ms(path.cloud)
        found[kind] = {"photos_a_second": len(path.contents) / spent_s} | {
            f"{name}_cpu_ms_a_photo": (after[name] - before[name]) / len(path.contents)
            for name in PROCESSES
        }
    return found


def cpu_ms(cloud: Cloud) -> dict[str, float]:
    """CPU time that this cloud and its functions have had, in milliseconds."""
    mark, spent = str(cloud.state_dir).encode(), dict.fromkeys(PROCESSES, 0.0)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            environment = (folder / "environ").read_bytes()
            # After the name, which may hold spaces: user and system time are fields 14 and 15.
            fields = (folder / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        for name, words_of_it in PROCESSES.items():
            if words_of_it in words and (mark in words or mark in environment):
                ticks = int(fields[11]) + int(fields[12])
                spent[name] += 1000 * ticks / os.sysconf("SC_CLK_TCK")
    return spent


@cache
def code(thumbnails: bool, slow: bool) -> bytes:
    """What `make build` has built as a zip; the function has no setting to switch them off."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in BUILT.rglob("*") if path.is_file()):
            name, content = path.relative_to(BUILT).as_posix(), path.read_bytes()
            if name == "classify/thumbnails.py" and not thumbnails:
                content += b"\nThumbnails.write = lambda *_: None\n"
            if name == "classify/endpoint.py" and slow:
                content += SLOW.encode()
            archive.writestr(name, content)
    return file.getvalue()


def report(console: Console, words: str, pairs: list[Rates], path: WholePath) -> dict[str, Any]:
    title = f"{words}: {len(pairs)} pairs of {len(path.contents)} {path.source}"
    table = Table("", *KINDS, "ratio", title=title)
    result: dict[str, Any] = {"pairs": pairs}
    for name in pairs[0]["with"]:
        ratio = statistics.median(one["with"][name] / one["without"][name] for one in pairs)
        medians = {kind: statistics.median(one[kind][name] for one in pairs) for kind in KINDS}
        result[name] = medians | {"median_ratio": ratio}
        cells = [f"{medians[kind]:.1f}" for kind in KINDS]
        table.add_row(name.replace("_", " "), *cells, f"{ratio:.2f}")
    console.print(table)
    return result


if __name__ == "__main__":
    sys.exit(main())
