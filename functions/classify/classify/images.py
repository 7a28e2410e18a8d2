"""The photo reader's answer in the function's terms: a small copy, or one of its two errors."""

from classify.errors import PermanentError, Reason, RetryableError
from photo_reader import PhotoError
from photo_reader.wire_copy import WireCopy as Photo
from photo_reader.wire_copy import wire_copy


def shrink(data: bytes, max_pixels: int, within_s: float | None = None) -> Photo:
    """`within_s` is photo_reader.read's.

    Raises PermanentError when the bytes are not an acceptable photo, RetryableError when it is this
    environment that could not read it.
    """
    try:
        return wire_copy(data, max_pixels, within_s)
    except PhotoError as error:
        raise PermanentError(Reason(error.code), error.message) from error
    except (MemoryError, OSError) as error:  # the bytes are here: it is not about the object
        words = str(error) or type(error).__name__
        raise RetryableError(f"the photo could not be read this time: {words}") from error
