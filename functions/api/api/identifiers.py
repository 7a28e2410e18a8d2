"""A key of S3 as one segment of a path: gateways decode %2F before they choose a route."""

import base64
import binascii

# s3://, a bucket's name and a slash stand before the key of a photo of another bucket.
MAX_KEY_BYTES = 5 + 63 + 1 + 1024


def id_of(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


def key_of(identifier: str) -> str:
    """Raises ValueError in words."""
    try:
        raw = base64.urlsafe_b64decode(identifier.encode("ascii") + b"=" * (-len(identifier) % 4))
        key = raw.decode()
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("is not the base64url of a key") from error
    # One spelling for each key: no padding, no letters that decoding ignores.
    if not key or len(raw) > MAX_KEY_BYTES or id_of(key) != identifier:
        raise ValueError("is not the base64url of a key, without padding")
    return key
