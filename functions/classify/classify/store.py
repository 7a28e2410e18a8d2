"""Reads uploads from S3, at most as many bytes as are allowed."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from classify.errors import ObjectGoneError, PermanentError, Reason, RetryableError
from classify.events import Upload

# NoSuchBucket is not among them: that is a fault of the set-up. 405 is what a delete marker
# answers. S3 says 403 instead of 404 to a role without s3:ListBucket, so the template must grant it
# on the bucket.
_GONE = {"NoSuchKey", "NoSuchVersion", "MethodNotAllowed"}


def read_object(s3: Any, upload: Upload, max_bytes: int) -> bytes:
    """Raises ObjectGoneError, PermanentError (TOO_LARGE, ARCHIVED, UNREADABLE), RetryableError."""
    version = {"VersionId": upload.version_id} if upload.version_id else {}
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


def _translate(error: ClientError) -> ObjectGoneError | PermanentError | RetryableError:
    """What S3 will say to this object for ever is permanent; all else may pass, or be mended.

    A permission, a bucket policy or a KMS key can be given back (AccessDenied, KMS.*). Source:
    Amazon S3 API Reference, "Error responses", and GetObject, "InvalidObjectState".
    """
    details: Mapping[str, str] = error.response["Error"]
    code, message = details["Code"], details.get("Message", "")
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
