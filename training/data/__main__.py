"""`python -m training.data`: download, verify, split and upload a data set; add what people said.

    python -m training.data download .local/data/dogs        # dogImages: 133 breeds, 1.1 GB
    python -m training.data verify .local/data/dogs --json report.json
    python -m training.data split all-photos split-photos --seed 7
    python -m training.data upload .local/data/dogs s3://bucket/dogs
    python -m training.data dataset .local/data/dogs --stack breed-classifier --out versions
    python -m training.data verify versions/1f2e3d4c5b6a --against versions/0a9b8c7d6e5f

Exit codes: 0 done (`verify`: nothing worse than warnings), 1 failed (`verify`: errors found), 2
wrong usage.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from training.data import download as downloading
from training.data import upload as uploading
from training.data import versions
from training.data.changes import compare, contents, contents_of
from training.data.dataset import DataSet
from training.data.errors import DataError
from training.data.report import show, show_changes, show_version
from training.data.reviewed import Rules
from training.data.splitting import DEFAULT_FRACTIONS, Fractions, write_split
from training.data.verify import verify

_COUNTED = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
_BYTES = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its result goes to stdout, everything else to stderr."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        return int(options.run(options, console))
    except (DataError, OSError) as error:  # OSError: a full disk, a folder that is write-protected
        console.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
    return 1


def _download(options: argparse.Namespace, console: Console) -> int:
    with _bars(_BYTES, console) as bars:
        fetching = bars.add_task("download", total=None)
        unpacking = bars.add_task("unpack", total=None, visible=False)
        record = downloading.download(
            options.url,
            options.target,
            options.sha256,
            downloading.Progress(
                lambda done, total: bars.update(fetching, completed=done, total=total),
                lambda done, total: bars.update(
                    unpacking, completed=done, total=total, visible=True
                ),
            ),
        )
    checked = "as expected" if options.sha256 else "not checked: no --sha256 was given"
    console.print(
        f"{options.target}: {record.size:,} bytes from {record.url}\n"
        f"sha256 {record.sha256} ({checked}), kept in {downloading.record_path(options.target)}",
        markup=False,
        soft_wrap=True,
    )
    return 0


def _verify(options: argparse.Namespace, console: Console) -> int:
    data = _open(options, console)
    with _counted("verify", len(data.names) + len(data.audit), console) as advance:
        report = verify(data, advance)
    show(report, Console())
    result = report.to_dict()
    moved = False
    if options.against is not None:
        with console.status(f"reading {options.against}"):
            before = DataSet.open(options.against, options.seed, options.fractions)
            changes = compare(contents(before), contents(data))
        show_changes(changes, str(options.against), Console())
        result["changes"] = changes.to_dict()
        moved = bool(changes.moved)
    if options.json:
        result["ok"] = report.ok and not moved
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0 if report.ok and not moved else 1


def _dataset(options: argparse.Namespace, console: Console) -> int:
    base = _open(options, console)
    with _bars(_COUNTED, console) as bars:

        def steps(what: str, total: int) -> Callable[[], None]:
            bar = bars.add_task(what, total=total)
            return lambda: bars.advance(bar)

        rules = Rules(options.new_class_at, options.fractions)
        made = versions.make(base, options.stack, options.out, options.to, rules, steps)
    if made.folder is None or made.manifest is None:
        console.print(
            f"No review stands in {options.stack} yet: nothing to make. Review photos on the page.",
            markup=False,
            soft_wrap=True,
        )
        return 0
    if not made.is_new:
        version = made.manifest["version"]
        words = f"No new review since version {version}: nothing to do. {made.folder}"
        console.print(words, markup=False, soft_wrap=True)
    else:
        show_version(made.manifest, console)
        if made.before is not None:
            changes = compare(contents_of(made.before), contents_of(made.manifest))
            show_changes(changes, made.before["version"], console)
    print(made.folder)
    return 0


def _split(options: argparse.Namespace, console: Console) -> int:
    data = _open(options, console)
    if not data.was_split:
        raise DataError(f"{options.folder} has train, valid and test folders already.")
    with _counted("copy", len(data.names), console) as advance:
        write_split(data.names, options.target, advance)
    counts = ", ".join(f"{len(samples):,} {split}" for split, samples in data.splits.items())
    console.print(f"{options.target}: {counts}; hash {data.hash}", markup=False, soft_wrap=True)
    return 0


def _upload(options: argparse.Namespace, console: Console) -> int:
    data = _open(options, console)
    with _bars(_COUNTED, console) as bars:
        bar = bars.add_task("upload", total=None)
        result = uploading.upload(
            data,
            options.uri,
            uploading.make_client(),
            lambda done, total: bars.update(bar, completed=done, total=total),
            delete=options.delete,
        )
    console.print(
        f"{result.uri}: {result.sent:,} sent ({result.sent_bytes / 1e6:.1f} MB), "
        f"{result.unchanged:,} unchanged; {result.seconds:.1f} s; hash {result.hash}",
        markup=False,
        soft_wrap=True,
    )
    if result.extra:
        names = ", ".join(result.extra[:5]) + (" ..." if result.extra[5:] else "")
        what = "deleted" if result.deleted else "are not in the data set and stay (see --delete)"
        console.print(f"{len(result.extra):,} other objects {what}: {names}", markup=False)
    return 0


def _open(options: argparse.Namespace, console: Console) -> DataSet:
    with console.status("reading the folders"):
        return DataSet.open(options.folder, options.seed, options.fractions)


def _bars(columns: Sequence[ProgressColumn], console: Console) -> Progress:
    """Bars that are gone when the work is done, and never in a log file."""
    columns = (*columns, TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def _counted(what: str, total: int, console: Console) -> Iterator[Callable[[], None]]:
    """A bar on stderr; call what it gives after each photo."""
    with _bars(_COUNTED, console) as bars:
        bar = bars.add_task(what, total=total)
        yield lambda: bars.advance(bar)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(
        required=True, metavar="download | verify | split | upload | dataset"
    )

    command = commands.add_parser("download", help="fetch and unpack a data set's archive")
    command.add_argument("target", type=Path, help="the new folder to unpack into")
    command.add_argument("--url", default=downloading.DOG_IMAGES, help="a zip (default: dogImages)")
    command.add_argument("--sha256", type=_sha256, help="what the archive's must be")
    command.set_defaults(run=_download)

    command = commands.add_parser("verify", help="look for what would spoil a training")
    _add_source(command)
    command.add_argument("--json", type=Path, help="also write the whole report here")
    command.add_argument(
        "--against", type=_folder, metavar="FOLDER", help="also say what changed since this one"
    )
    command.set_defaults(run=_verify)

    command = commands.add_parser("split", help="copy one folder into train, valid and test")
    _add_source(command)
    command.add_argument("target", type=Path, help="the new folder")
    command.set_defaults(run=_split)

    command = commands.add_parser("upload", help="send what changed to S3")
    _add_source(command)
    command.add_argument("uri", help="s3://bucket/prefix")
    command.add_argument(
        "--delete", action="store_true", help="delete what is there and not in the data set"
    )
    command.set_defaults(run=_upload)

    command = commands.add_parser("dataset", help="a new version, of a base and people's reviews")
    _add_source(command)
    command.add_argument("--stack", required=True, help="the classifier's stack, with a page")
    command.add_argument("--out", type=Path, required=True, help="the folder of versions")
    command.add_argument("--to", metavar="URI", help="also put it there: s3://bucket/prefix")
    command.add_argument(
        "--new-class-at",
        type=_positive,
        default=Rules().new_class_at,
        metavar="N",
        help="photos that a breed added by people needs to be a class (default %(default)s)",
    )
    command.set_defaults(run=_dataset)
    return parser


def _add_source(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=_folder, help="train/valid/test, or class folders")
    command.add_argument(
        "--seed", type=int, default=0, help="of the split, where one is made (default 0)"
    )
    command.add_argument(
        "--fractions",
        type=_fractions,
        default=DEFAULT_FRACTIONS,
        help="train,valid,test of the split, where one is made (default 0.8,0.1,0.1)",
    )


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return Path(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number of at least 1")
    return int(text)


def _sha256(text: str) -> str:
    if len(text) != 64 or set(text.lower()) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"{text} is no sha256: expected 64 hexadecimal digits")
    return text.lower()


def _fractions(text: str) -> Fractions:
    try:
        train, valid, test = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: expected three numbers, 0.8,0.1,0.1") from error
    return (train, valid, test)


if __name__ == "__main__":
    sys.exit(main())
