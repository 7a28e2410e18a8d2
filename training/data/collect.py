"""Reviews and their photos from a deployed stack: tables and bucket, on AWS or the local cloud.

A photo is asked for by the version of the object that the review is about, and kept in a folder, so
that it is fetched once. What was deleted since, or has no review any more, leaves that folder.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from page import tables
from photo_reader.formats import HEAD_BYTES, sniff
from training.data.candidates import Photo, Reviewed
from training.data.errors import DataError
from training.data.inspection import Inspection, inspect
from training.data.reviews import Opinion, opinions
from training.data.upload import THREADS

# Far above what the function answers (MAX_OBJECT_BYTES), so only a changed object is larger.
MAX_BYTES = 100_000_000

# One of PICTURE_SUFFIXES for each of photo_reader.FORMATS.
SUFFIXES = {
    "JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif",
    "HEIF": ".heic", "AVIF": ".avif",
}  # fmt: skip

_REMEDIES = {
    "NoCredentialsError": "Configure AWS credentials, or point the shell at the local cloud.",
    "AccessDenied": "cloudformation:DescribeStacks, dynamodb:ListTables and Scan, and "
    "s3:GetObject and GetObjectVersion on the photos' bucket are needed.",
    "AccessDeniedException": "cloudformation:DescribeStacks, dynamodb:ListTables and Scan on the "
    "stack's tables are needed.",
    "ValidationError": "STACK= names the classifier's stack.",
}


def read_opinions(stack: str) -> tuple[str, list[Opinion]]:
    """The photos' bucket, and what stands about its photos.

    Raises DataError where the stack has no page, or its tables cannot be read.
    """
    try:
        bucket = tables.outputs(stack)["BucketName"]
        names = tables.tables(stack)
        if "reviews" not in names:
            raise DataError(
                f"{stack} has no table {stack}-page-reviews: reviews come from the page. Make it "
                "with `make page`, or name the stack that has one with STACK=."
            )
        # Reviews first: a review that is in has its row by then.
        reviews = list(tables.items(names["reviews"]))
        return bucket, opinions(reviews, tables.items(names["predictions"]))
    except KeyError as error:
        raise DataError(
            f"The stack {stack} has no output {error.args[0]}, as a stack of this repository has. "
            "STACK= names the classifier's stack."
        ) from error
    except (BotoCoreError, ClientError) as error:
        raise DataError(_explained(f"The reviews of {stack} cannot be read", error)) from error


def fetch_photos(
    client: Any,
    bucket: str,
    found: Sequence[Opinion],
    kept: Path,
    advance: Callable[[], None],
) -> list[Reviewed]:
    """Each review with its photo, in order; `kept` is the folder of photos that were fetched.

    Only what can be of use is fetched. `advance` is called after each. Raises DataError where S3
    refuses for a reason that is not the photo's.
    """
    kept.mkdir(parents=True, exist_ok=True)
    results = []
    with ThreadPoolExecutor(THREADS) as pool:
        for result in pool.map(lambda one: _fetched(client, bucket, one, kept), found):
            results.append(result)
            advance()
    wanted = {_place(kept, bucket, one) for one in found if not one.deleted}
    for path in set(kept.iterdir()) - wanted:
        path.unlink()
    return results


def _fetched(client: Any, bucket: str, opinion: Opinion, kept: Path) -> Reviewed:
    if opinion.deleted or opinion.word.verdict == "UNSURE":
        return Reviewed(opinion, None)
    path = _place(kept, bucket, opinion)
    if not path.exists():
        problem = fetch(client, bucket, opinion, path)
        if problem is not None:
            return Reviewed(opinion, None, code="GONE", problem=problem)
    return _looked_at(opinion, inspect(path))


def _place(kept: Path, bucket: str, opinion: Opinion) -> Path:
    place = [bucket, opinion.key, opinion.version, opinion.version_id]
    return kept / hashlib.sha256(json.dumps(place).encode()).hexdigest()[:32]


def _looked_at(opinion: Opinion, seen: Inspection) -> Reviewed:
    if seen.problem or seen.sha256 is None:
        return Reviewed(opinion, None, code="UNREADABLE", problem=seen.problem or "no content")
    with seen.path.open("rb") as file:
        suffix = SUFFIXES[sniff(file.read(HEAD_BYTES))]
    return Reviewed(opinion, Photo(seen.path, seen.sha256, seen.prints), suffix)


class Wanted(Protocol):
    """One version of a photo: a review's, or a row's."""

    @property
    def key(self) -> str: ...
    @property
    def version_id(self) -> str | None: ...
    @property
    def etag(self) -> str | None: ...


def fetch(client: Any, bucket: str, wanted: Wanted, path: Path) -> str | None:
    """The very bytes that were answered into `path`; or why they are not to be had.

    Raises DataError where S3 refuses for a reason that is not the photo's.
    """
    bucket, key = tables.place_of(wanted.key, bucket)
    which = {"Bucket": bucket, "Key": key}
    if wanted.version_id is not None:
        which["VersionId"] = wanted.version_id
    elif wanted.etag is not None:
        which["IfMatch"] = wanted.etag
    else:
        return "the photo was replaced since, in a bucket that keeps no versions"
    try:
        answer = client.get_object(**which)
        if answer["ContentLength"] > MAX_BYTES:
            return f"{answer['ContentLength']} bytes; at most {MAX_BYTES} are read"
        content = answer["Body"].read()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("NoSuchKey", "NoSuchVersion", "PreconditionFailed", "InvalidObjectState"):
            return f"the photo cannot be had any more: {error.response['Error']['Message']}"
        raise DataError(_explained(f"s3://{bucket}/{key}", error)) from error
    except BotoCoreError as error:
        raise DataError(_explained(f"s3://{bucket}/{key}", error)) from error
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(content)
    partial.rename(path)
    return None


def _explained(what: str, error: ClientError | BotoCoreError) -> str:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else None
    remedy = _REMEDIES.get(code or type(error).__name__, "Run it again to go on from there.")
    return f"{what}: {error}. {remedy}"
