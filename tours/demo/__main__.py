"""`python -m tours.demo`: a local cloud, the real template, uploads, and the rows they become.

    --model PATH     the model package to deploy (model.tar.gz)
    --runtime NAME   the function's runtime: the Python of the environments, e.g. python3.11
    --photos DIR     upload every file below DIR; without it photos of the dogImages archive,
                     or drawings when offline
    --out FILE       write the rows that were read back from DynamoDB as JSON

Exit codes: 0 every file has its row, 1 something failed (it says what, and where its log is),
2 used wrongly.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from local.launch import Cloud, CloudError
from tours.demo import photos, report
from tours.demo.photos import Photos, PhotosError
from tours.stack import PREFIX, ROOT, deploy, read_rows
from tours.steps import StepError, Steps

WORK = ROOT / ".local" / "demo"
WAIT_S = 60.0
WAIT_PER_FILE_S = 1.0
POLL_S = 0.25
PIPE_WIDTH = 150


class MissingRowsError(Exception):
    """Some uploads have no row in time; the words name them and where they are."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def _keys(chosen: Photos) -> dict[str, Path]:
    """Each file by the key it gets: the prefix and its path below the folder."""
    return {PREFIX + path.relative_to(chosen.folder).as_posix(): path for path in chosen.files}


def _wait(
    cloud: Cloud, outputs: dict[str, str], keys: set[str], console: Console
) -> list[dict[str, Any]]:
    """Poll the table until every key has its row, a bar showing how many do."""
    table = cloud.resource("dynamodb").Table(outputs["TableName"])
    deadline = time.monotonic() + WAIT_S + WAIT_PER_FILE_S * len(keys)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress("rows", *columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(keys))
        while True:
            rows = read_rows(table)
            progress.update(bar, completed=len(rows))
            missing = keys - {row["image_key"] for row in rows}
            if not missing:
                return rows
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
    names = ", ".join(sorted(missing)[:20])
    raise MissingRowsError(
        f"{len(missing)} uploads have no row yet ({_queues(cloud, outputs)}): {names}"
    )


def _queues(cloud: Cloud, outputs: dict[str, str]) -> str:
    """How many messages wait and are in flight in the queue and in its dead-letter queue."""
    places = []
    for name, output in (("queue", "QueueUrl"), ("dead-letter queue", "DeadLetterQueueUrl")):
        answer = cloud.client("sqs").get_queue_attributes(
            QueueUrl=outputs[output], AttributeNames=["All"]
        )["Attributes"]
        waiting = answer["ApproximateNumberOfMessages"]
        in_flight = answer["ApproximateNumberOfMessagesNotVisible"]
        places.append(f"{name}: {waiting} waiting, {in_flight} in flight")
    return "; ".join(places)


def _show(
    rows: list[dict[str, Any]], chosen: Photos, args: argparse.Namespace, console: Console
) -> None:
    console.print(report.table(rows, PREFIX))
    console.print(
        f"{len(rows)} rows: {report.counts(rows)}. Source: {chosen.source}.", highlight=False
    )
    sheet = WORK / "contact-sheet.html"
    report.write_contact_sheet(rows, _keys(chosen), PREFIX, chosen.source, sheet)
    console.print(f"Contact sheet: {sheet.as_uri()}", soft_wrap=True, highlight=False)
    if args.out:
        report.write_rows(rows, args.out)
        console.print(f"Rows: {args.out}", soft_wrap=True, highlight=False)


def _run(args: argparse.Namespace, console: Console) -> None:
    chosen = photos.choose(args.photos, WORK, console)
    console.print(f"Uploading {chosen.source}.", highlight=False, markup=False)
    steps = Steps(console, WORK / "demo.log")
    with tempfile.TemporaryDirectory(prefix="breed-classifier-") as state:
        cloud = Cloud(Path(state))
        try:
            with steps.step("local cloud"):
                cloud.start()
            outputs = deploy(cloud, steps, args.model.resolve(), args.runtime)
            target = f"s3://{outputs['BucketName']}/{PREFIX}"
            steps.run(
                f"aws s3 cp {len(chosen.files)} files",
                ["aws", "s3", "cp", "--recursive", "--no-progress", str(chosen.folder), target],
                cloud.environment(),
                ROOT,
            )
            with steps.step("every upload has its row"):
                rows = _wait(cloud, outputs, set(_keys(chosen)), console)
            _show(rows, chosen, args, console)
        finally:
            cloud.stop()


def main() -> int:
    """Run the demo; returns the process's exit code."""
    args = _arguments()
    # A file or a pipe has no width of its own; the table needs about this much.
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    # A plain kill must stop the cloud too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    try:
        _run(args, console)
    except PhotosError as error:
        console.print(str(error), style="red", markup=False)
        return 2
    except (StepError, CloudError, MissingRowsError) as error:
        console.print("[red]The demo failed.[/red]")
        console.print(str(error), markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; the local cloud is stopped.")
        return 1
    console.print(
        f"Done in {time.monotonic() - started:.0f} s; the local cloud is stopped.", highlight=False
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
