"""Where a list goes on: opaque, signed, and bound to the filters that it was made for."""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass

_SIGNATURE_BYTES = 16


@dataclass(frozen=True)
class Position:
    """Just behind one row, or at the start of a month.

    `stream` is the number of the index partition that the row came from, `sort` its index sort key.
    """

    month: str
    stream: int = -1
    sort: str = ""
    key: str = ""

    @property
    def is_start(self) -> bool:
        return self.stream < 0


def seal(position: Position, filters: str, secret: bytes) -> str:
    fields = [position.month, position.stream, position.sort, position.key]
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_sign(text, filters, secret) + text).rstrip(b"=").decode()


def unseal(cursor: str, filters: str, secret: bytes) -> Position:
    """Raises ValueError in words."""
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("is not a cursor of this API") from error
    signature, text = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _sign(text, filters, secret)):
        raise ValueError("does not belong to these filters, or was changed; start without it")
    return Position(*json.loads(text))


def _sign(text: bytes, filters: str, secret: bytes) -> bytes:
    bound = hashlib.sha256(filters.encode()).digest() + text
    return hmac.digest(secret, bound, "sha256")[:_SIGNATURE_BYTES]
