"""`python -m training.contest.shadow`: what a candidate would have answered, before it is approved.

The candidate answers photos that the stack has answered lately, here and not in the stack: nothing
that is served, stored or counted changes. Its answers are laid beside those in the rows.

    --stack NAME       whose photos, and whose registry
    --version 3        of the registry; default: the newest that is pending
    --model PACKAGE    model.tar.gz or its s3:// URI, instead of one of the registry
    --photos 200       drawn from ten times as many, the newest that were answered
    --out FOLDER       gets shadow.json and shadow.html

Every photo is the very version of the row, takes the way through the small copy that the function
sends, and is answered in float32. On AWS and on the local cloud. Exit codes: 0 done, 1 failed (it
says why), 2 used wrongly.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from botocore.exceptions import BotoCoreError, ClientError

from photo_reader import PhotoError, read
from photo_reader.wire_copy import wire_copy
from serving.model import Model, Prediction, load
from serving.package import PackageError
from serving.preprocess import pixels
from training.contest.agreement import Agreement, Served
from training.contest.answers import unpacked
from training.contest.shadow_report import page
from training.data.collect import fetch
from training.data.errors import DataError
from training.errors import JobError
from training.features.photos import cpu_share, portions, threads
from training.jobs import artefacts, registry, stack
from training.jobs.errors import CommandError, UsageError
from training.jobs.served import newest_answered

RESULT, REPORT = "shadow.json", "shadow.html"
PHOTOS, MOST_PHOTOS = 200, 2000
# Of the newest answers so many times more are read than photos are drawn: days, not one album.
DRAWN_FROM = 10


def main(arguments: list[str] | None = None) -> int:
    """Answer, compare, write both files, print; returns the process's exit code."""
    options = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            agreement = run(options, Path(scratch))
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except (JobError, DataError, PackageError, CommandError) as error:
        print(error, file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"AWS said no: {error}", file=sys.stderr)
        return 1
    for line in agreement.words():
        print(line)
    print(f"see {options.out / REPORT}")
    return 0


def run(options: argparse.Namespace, scratch: Path) -> Agreement:
    """Raises UsageError, CommandError, JobError, DataError, PackageError and botocore's errors."""
    deployed = stack.look(boto3.client("cloudformation"), options.stack)
    name, package = candidate(options, scratch)
    answered = newest_answered(
        boto3.client("dynamodb"), deployed.table, DRAWN_FROM * options.photos
    )
    if not answered:
        raise UsageError(f"Stack {deployed.name} has answered no photo in the last year.")
    chosen = drawn([Served.of_row(row) for row in answered], options.photos)
    print(
        f"{name} answers {len(chosen)} of the newest {len(answered)} answered photos of "
        f"{deployed.name}",
        flush=True,
    )
    photos = scratch / "photos"
    photos.mkdir()
    with unpacked(package) as folder:
        model = load(folder, cpu_share(), "float32")
        began = time.monotonic()
        found = answer(model, deployed.bucket, chosen, photos)
    agreement = Agreement.of(chosen, found, model.manifest.version, time.monotonic() - began)
    options.out.mkdir(parents=True, exist_ok=True)
    content = json.dumps(agreement.to_json(), indent=2, ensure_ascii=False) + "\n"
    (options.out / RESULT).write_text(content, encoding="utf-8")
    (options.out / REPORT).write_text(page(agreement, photos), encoding="utf-8")
    return agreement


def candidate(options: argparse.Namespace, scratch: Path) -> tuple[str, Path]:
    """What it is called, and its package, brought here."""
    uri = options.model
    name = f"The model {uri}"
    if uri is None:
        version = registry.chosen(boto3.client("sagemaker"), options.stack, options.version)
        uri = version.model_data
        name = f"Version {version.number} of the registry ({version.status})"
    if not uri.startswith("s3://"):
        if not Path(uri).exists():
            raise UsageError(f"MODEL={uri}: no such file. A model.tar.gz or its s3:// URI is meant")
        return name, Path(uri)
    package = scratch / "candidate.tar.gz"
    artefacts.download(boto3.client("s3"), uri, package)
    return name, package


def drawn(served: Sequence[Served], count: int) -> list[Served]:
    """So many of them, by a hash: the same photos for the same rows, whatever their order."""

    def place(one: Served) -> bytes:
        return hashlib.sha256(f"shadow {one.key} {one.classified_at}".encode()).digest()

    return sorted(served, key=place)[:count]


def answer(
    model: Model, bucket: str, chosen: Sequence[Served], folder: Path
) -> list[Prediction | str]:
    """For each photo what the model says, or why it could not be asked. Files stay in `folder`."""
    client = boto3.client("s3")

    def some(part: Sequence[Served]) -> list[Prediction | str]:
        found: list[Prediction | str] = []
        pictures = []
        for one in part:
            path = folder / one.file
            problem = fetch(client, bucket, one, path)
            try:
                if problem is None:
                    pictures.append(_picture(path.read_bytes(), model))
            except PhotoError as error:
                problem = str(error)
            found.append(problem or "")
        predictions = iter(model.predict(np.stack(pictures)) if pictures else [])
        return [next(predictions) if problem == "" else problem for problem in found]

    with threads("shadow") as pool:
        parts = pool.map(some, [chosen[part] for part in portions(len(chosen))])
        return [one for part in parts for one in part]


def _picture(content: bytes, model: Model) -> Any:
    """As the function sends it and the endpoint reads it."""
    spec = model.manifest.preprocess
    return pixels(read(wire_copy(content).jpeg, spec.least_px).picture, spec)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make shadow",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stack", default="breed-classifier")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", type=int)
    which.add_argument("--model")
    parser.add_argument("--photos", type=_count, default=PHOTOS)
    parser.add_argument("--out", type=Path, default=Path(".local/shadow"))
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_PHOTOS:
        raise argparse.ArgumentTypeError(f"{text} is no number of photos from 1 to {MOST_PHOTOS}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
