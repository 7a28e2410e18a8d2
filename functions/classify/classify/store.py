"""The bucket: uploads, read up to as many bytes as are allowed, and their thumbnails."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from classify.errors import (
    ObjectGoneError,
    ObjectReplacedError,
    PermanentError,
    PhotoDeletedError,
    Reason,
    RetryableError,
)
from classify.events import Upload, listed_sequencer
from classify.rows import thumbnail_key, thumbnails_of

# NoSuchBucket is not among them: that is a fault of the set-up. 405 is what a delete marker
# answers. S3 says 403 instead of 404 to a role without s3:ListBucket, so the template must grant it
# on the bucket.
_GONE = {"NoSuchKey", "NoSuchVersion", "MethodNotAllowed"}
# Nobody's but the browser's, and no longer than a day: the photo may be deleted.
_THUMBNAIL_CACHE = "private, max-age=86400, immutable"


def read_object(s3: Any, upload: Upload, max_bytes: int) -> bytes:
    """Raises ObjectGoneError, ObjectReplacedError, RetryableError, and PermanentError with the
    reasons TOO_LARGE, ARCHIVED and UNREADABLE.
    """
    version = {}
    if upload.version_id:
        version = {"VersionId": upload.version_id}
    elif upload.job and upload.etag:
        # Listed, not told by an event: another object may stand there by now.
        version = {"IfMatch": f'"{upload.etag}"'}
    try:
        answer = s3.get_object(Bucket=upload.bucket, Key=upload.key, **version)
        length = answer["ContentLength"]
        with closing(answer["Body"]) as body:
            if length > max_bytes:
                raise PermanentError(
                    Reason.TOO_LARGE, f"{length} bytes; at most {max_bytes} are accepted"
                )
            data: bytes = body.read(length + 1)
    except ClientError as error:
        raise _translate(error) from error
    except BotoCoreError as error:
        raise RetryableError(f"S3 could not be read: {error}") from error
    if len(data) != length:
        # A cut connection must not look like a cut-off photo.
        raise RetryableError(f"S3 sent {len(data)} of {length} bytes")
    return data


def current_version(s3: Any, removal: Upload) -> Upload:
    """What stands under the key since something of it was removed. Raises PhotoDeletedError.

    Listed, and not asked for: HEAD does not tell a photo that is gone from a bucket that is, and
    refuses what is encrypted with the uploader's key. Raises RetryableError.
    """
    with _retryable("S3 did not list the versions"):
        # Of a key's versions and markers the newest comes first, and the key before longer ones.
        listed = s3.list_object_versions(Bucket=removal.bucket, Prefix=removal.key, MaxKeys=1)
    version = _of_key(listed.get("Versions", ()), removal.key)
    if version is None:
        raise PhotoDeletedError(f"no photo stands under {removal.key}")
    return replace(
        removal,
        version_id=version["VersionId"],
        etag=version["ETag"].strip('"'),
        size_bytes=version["Size"],
    )


def listed_now(s3: Any, upload: Upload) -> Upload:
    """What stands under the key of a photo that was replaced since a back-fill has listed it.

    Raises ObjectGoneError, RetryableError.
    """
    with _retryable("S3 did not list the object"):
        listed = s3.list_objects_v2(Bucket=upload.bucket, Prefix=upload.key, MaxKeys=1)
    found = _of_key(listed.get("Contents", ()), upload.key)
    if found is None:
        raise ObjectGoneError(f"no photo stands under s3://{upload.bucket}/{upload.key}")
    etag = found["ETag"].strip('"')
    sequencer = listed_sequencer(found["LastModified"], etag)
    return replace(upload, etag=etag, sequencer=sequencer, size_bytes=found["Size"])


def _of_key(listed: Iterable[Mapping[str, Any]], key: str) -> Mapping[str, Any] | None:
    """The entry of this very key: a prefix lists longer ones as well."""
    return next((entry for entry in listed if entry["Key"] == key), None)


def put_thumbnail(s3: Any, bucket: str, upload: Upload, jpeg: bytes) -> None:
    """Raises RetryableError."""
    with _retryable("S3 did not take the thumbnail"):
        s3.put_object(
            Bucket=bucket,
            Key=thumbnail_key(upload.image_key, upload.sequencer),
            Body=jpeg,
            ContentType="image/jpeg",
            CacheControl=_THUMBNAIL_CACHE,
        )


def delete_thumbnail(s3: Any, bucket: str, thumbnail: str) -> None:
    """Done also when there is none. Raises RetryableError."""
    with _retryable("S3 did not delete the thumbnail"):
        s3.delete_object(Bucket=bucket, Key=thumbnail)


def delete_older_thumbnails(s3: Any, bucket: str, upload: Upload, sequencer: str) -> None:
    """Every thumbnail of the upload's key from before `sequencer`, whoever left it there.

    Raises RetryableError.
    """
    prefix = thumbnails_of(upload.image_key)
    with _retryable("S3 did not list the thumbnails"):
        # One is usual, and a crash leaves one more: a page holds a thousand.
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
    for each in listed.get("Contents", ()):
        if each["Key"] < thumbnail_key(upload.image_key, sequencer):
            delete_thumbnail(s3, bucket, each["Key"])


@contextmanager
def _retryable(what: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise RetryableError(f"{what}: {error}") from error


def _translate(error: ClientError) -> ObjectGoneError | PermanentError | RetryableError:
    """What S3 will say to this object for ever is permanent; all else may pass, or be mended.

    A permission, a bucket policy or a KMS key can be given back (AccessDenied, KMS.*). Source:
    Amazon S3 API Reference, "Error responses", and GetObject, "InvalidObjectState".
    """
    details: Mapping[str, str] = error.response["Error"]
    code, message = details["Code"], details.get("Message", "")
    if code == "PreconditionFailed":
        return ObjectReplacedError(str(error))
    if code in _GONE or (code == "InvalidArgument" and details.get("ArgumentName") == "versionId"):
        return ObjectGoneError(str(error))
    if code == "InvalidObjectState":
        return PermanentError(
            Reason.ARCHIVED,
            f"archived in {_archive(details)}; it is answered once it is restored "
            "(aws s3api restore-object)",
        )
    if code == "KeyTooLongError" or (code == "InvalidRequest" and "encrypt" in message.lower()):
        # SSE-C: only the uploader has the key, and S3 does not keep it.
        return PermanentError(Reason.UNREADABLE, f"S3 cannot give it out: {code}: {message}")
    return RetryableError(f"S3 did not give the object: {error}")


def _archive(details: Mapping[str, str]) -> str:
    """The storage class, and for S3 Intelligent-Tiering the tier that it put the object into."""
    named = (details.get("StorageClass"), details.get("AccessTier"))
    return ", ".join(name for name in named if name) or "a storage class without direct access"
