"""Reads uploads from S3, at most as many bytes as are allowed."""

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
    """Raises ObjectGoneError, PermanentError (TOO_LARGE) or RetryableError."""
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
        if error.response["Error"]["Code"] in _GONE:
            raise ObjectGoneError(str(error)) from error
        raise RetryableError(f"S3 did not give the object: {error}") from error
    except BotoCoreError as error:
        raise RetryableError(f"S3 could not be read: {error}") from error
    if len(data) != length:
        # A cut connection must not look like a cut-off photo.
        raise RetryableError(f"S3 sent {len(data)} of {length} bytes")
    return data
