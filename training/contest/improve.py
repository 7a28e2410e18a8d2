"""`python -m training.contest.improve DATA`: from people's reviews to a registered challenger.

data set, features, tuning (--tune), training, comparison, registration: unattended, on AWS or on
the local cloud, by the commands that can be run alone too. It does nothing, and says why, where the
champion has been trained on these photos already, where too few are new, and where the same data
set has lost against the same champion before.

    DATA               the base data set, a folder; or with --made, a version that was made of it
    --to URI           where jobs find the data set: s3://bucket/prefix
    --champion PACKAGE model.tar.gz or its s3:// URI; default: the one that the stack serves
    --least 20         how many photos must be new to the champion
    --tune             search hyperparameters first
    --set K=V          changes the jobs' configuration, as in make train

Exit codes: 0 done or nothing to do, 1 refused (it says why) or failed, 2 used wrongly.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from serving.package import PackageError, read_package
from training.contest.__main__ import run
from training.contest.answers import unpacked
from training.contest.verdict import MARGIN
from training.data.dataset import DataSet
from training.data.errors import DataError
from training.errors import JobError
from training.jobs import artefacts
from training.jobs.errors import CommandError, UsageError
from training.jobs.stack import described, parameters_of

ROOT = Path(__file__).resolve().parents[2]
LEAST_NEW = 20
STATE = "improve.json"
_SDK = str(ROOT / ".venv" / "sdk" / "bin" / "python")


@dataclass(frozen=True)
class Champion:
    """The package to beat; `data_sha256` and `photos` are what it was trained on, if it says so."""

    package: Path
    version: str
    data_sha256: str | None
    photos: int


def main(arguments: list[str] | None = None) -> int:
    """Improve, or say why not; returns the process's exit code."""
    options = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            return improve(options, Path(scratch))
    except (JobError, DataError, PackageError, CommandError, UsageError) as error:
        print(error, file=sys.stderr)
    except (BotoCoreError, ClientError) as error:
        print(f"AWS said no: {error}", file=sys.stderr)
    return 1


def improve(options: argparse.Namespace, scratch: Path) -> int:
    """All steps; raises JobError where one fails."""
    champion = read_champion(find_champion(options.champion, options.stack, scratch))
    folder = options.data if options.made else make_data_set(options)
    if folder is None:
        return 0  # make dataset has said that there is no review
    data = DataSet.open(folder)
    reason = nothing_to_do(champion, data, options.least, options.out)
    if reason:
        print(f"{reason} Nothing to do.")
        return 0
    model = _train(options, folder)
    began = time.monotonic()
    contest = run(champion.package, model, folder, options.out, options.margin)
    _done("compare", began)
    print(f"{contest.word}: {contest.reason}", flush=True)
    tried = {"data_sha256": data.hash, "champion": champion.version, "reason": contest.reason}
    if contest.word == "refused":
        (options.out / STATE).write_text(json.dumps(tried, indent=2) + "\n", encoding="utf-8")
        print("Nothing is registered.")
        return 1
    _step("register", register_command(options))
    return 0


def find_champion(given: str | None, stack: str, scratch: Path) -> Path:
    """The given package or the one that the stack serves, brought here."""
    if given is None:
        found = described(boto3.client("cloudformation"), stack) or {}
        given = parameters_of(found).get("ModelDataUrl", "")
    if not given.startswith("s3://"):
        if not given or not Path(given).exists():
            raise JobError(
                f"no champion: {given or f'stack {stack} names no model'}. Give CHAMPION=model.tar."
                "gz, a file or an s3:// URI"
            )
        return Path(given)
    path = scratch / "champion.tar.gz"
    artefacts.download(boto3.client("s3"), given, path)
    return path


def read_champion(package: Path) -> Champion:
    """What the package says of itself. Raises PackageError."""
    with unpacked(package) as folder:
        manifest, _ = read_package(folder)
    photos: dict[str, Any] = manifest.origin.get("photos") or {}
    sha256 = manifest.origin.get("data_sha256")
    return Champion(package, manifest.version, sha256, sum(photos.values()))


def nothing_to_do(champion: Champion, data: DataSet, least: int, out: Path) -> str | None:
    """Why no challenger is trained; None where one should be."""
    if champion.data_sha256 == data.hash:
        return f"The champion {champion.version} was trained on these very photos."
    new = sum(len(samples) for samples in data.splits.values()) - champion.photos
    if new < least:
        return (
            f"{max(0, new)} photos are new to the champion {champion.version}, and at least "
            f"{least} are wanted (LEAST={max(0, new)} goes on with these)."
        )
    state = out / STATE
    if state.is_file():
        tried = json.loads(state.read_text(encoding="utf-8"))
        if (tried["data_sha256"], tried["champion"]) == (data.hash, champion.version):
            return f"These photos made a challenger that was refused: {tried['reason']}"
    return None


def make_data_set(options: argparse.Namespace) -> Path | None:
    """The folder of the version that `make dataset` makes; None where there is no review."""
    command = [sys.executable, "-m", "training.data", "dataset", str(options.data)]
    command += ["--stack", options.stack, "--out", str(options.versions)]
    printed = _step("data set", command, keep=True).strip().splitlines()
    return Path(printed[-1]) if printed else None


def _train(options: argparse.Namespace, folder: Path) -> Path:
    """The data set to S3, and the jobs over it; returns the challenger's package."""
    upload = [sys.executable, "-m", "training.data", "upload", str(folder), options.to, "--delete"]
    _step("upload", upload)
    settings = [word for setting in options.set for word in ("--set", setting)]
    jobs = [_SDK, "-m", "training.jobs", *settings, "--out", str(options.out)]
    jobs += ["--stack", options.stack]
    if options.tune:
        _step("tune", [*jobs, "tune", "--data", options.to])
    _step("train", [*jobs, "train", "--data", options.to, *([] if options.tune else ["--untuned"])])
    return Path(options.out) / "model.tar.gz"


def register_command(options: argparse.Namespace) -> Sequence[str]:
    """`make register` of what train.json in OUT names."""
    return ["make", "register", f"STACK={options.stack}", f"OUT={options.out}"]


def _step(title: str, command: Sequence[str], *, keep: bool = False) -> str:
    """Run a command from the repository's top; its stdout where it is kept. Raises JobError."""
    began = time.monotonic()
    print(f"== {title}", flush=True)
    ended = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE if keep else None, text=True, check=False
    )
    if ended.returncode:
        raise JobError(f"{title} ended with exit code {ended.returncode}: {' '.join(command)}")
    _done(title, began)
    return ended.stdout or ""


def _done(title: str, began: float) -> None:
    print(f"== {title}: {time.monotonic() - began:.1f} s", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make improve",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=_absolute(must_exist=True))
    parser.add_argument("--made", action="store_true", help="DATA is a version that was made")
    parser.add_argument("--to", required=True, type=_s3, metavar="S3_URI")
    parser.add_argument("--champion")
    parser.add_argument("--stack", default="breed-classifier")
    parser.add_argument("--versions", type=_absolute(), default=ROOT / ".local/data/versions")
    parser.add_argument("--out", type=_absolute(), default=ROOT / ".local/improve")
    parser.add_argument("--least", type=int, default=LEAST_NEW)
    parser.add_argument("--margin", type=float, default=MARGIN)
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE")
    return parser


def _absolute(*, must_exist: bool = False) -> Callable[[str], Path]:
    """Steps run at the repository's top, so a path from here must not depend on where that is."""

    def read(text: str) -> Path:
        if must_exist and not Path(text).is_dir():
            raise argparse.ArgumentTypeError(f"{text} is no folder")
        return Path(text).resolve()

    return read


def _s3(text: str) -> str:
    if not text.startswith("s3://"):
        raise argparse.ArgumentTypeError(f"{text!r} is no s3://bucket/prefix")
    return text


if __name__ == "__main__":
    sys.exit(main())
