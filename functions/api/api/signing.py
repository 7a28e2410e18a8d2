"""Addresses of objects that need no token: presigned GETs of Signature Version 4.

From "Authenticating Requests: Using Query Parameters" of Amazon S3's API reference. botocore's
sign with the time of the call; these can be given a time that stays for half an hour, so that a
browser keeps the picture and a list its ETag. They cost a twentieth, too.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

WINDOW = timedelta(minutes=30)


@dataclass(frozen=True)
class Signer:
    """`bucket_urls`: what an object's key comes behind, by bucket; "" is the stack's own.

    `credentials`: botocore's.
    """

    bucket_urls: Mapping[str, str]
    region: str
    credentials: Any

    def may_read(self, bucket: str) -> bool:
        return bucket in self.bucket_urls

    def address(
        self,
        key: str,
        at: datetime,
        valid_s: int,
        parameters: Mapping[str, str] | None = None,
        bucket: str = "",
    ) -> str:
        """Valid from `at`, in UTC, for `valid_s` seconds. `parameters`: versionId and the like."""
        frozen = self.credentials.get_frozen_credentials()
        scope = f"{at:%Y%m%d}/{self.region}/s3/aws4_request"
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{frozen.access_key}/{scope}",
            "X-Amz-Date": f"{at:%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": str(valid_s),
            "X-Amz-SignedHeaders": "host",
        } | dict(parameters or {})
        if frozen.token:
            query["X-Amz-Security-Token"] = frozen.token
        where = urlsplit(self.bucket_urls[bucket])
        path = f"{where.path}/{quote(key, safe='/~')}"
        sorted_query = "&".join(
            f"{quote(name, safe='~')}={quote(value, safe='~')}"
            for name, value in sorted(query.items())
        )
        request = "\n".join(
            ("GET", path, sorted_query, f"host:{where.netloc}\n", "host", "UNSIGNED-PAYLOAD")
        )
        digest = hashlib.sha256(request.encode()).hexdigest()
        to_sign = "\n".join(("AWS4-HMAC-SHA256", query["X-Amz-Date"], scope, digest))
        signing_key = f"AWS4{frozen.secret_key}".encode()
        for part in scope.split("/"):
            signing_key = hmac.digest(signing_key, part.encode(), "sha256")
        signature = hmac.digest(signing_key, to_sign.encode(), "sha256").hex()
        origin = f"{where.scheme}://{where.netloc}"
        return f"{origin}{path}?{sorted_query}&X-Amz-Signature={signature}"


def window_of(now: datetime) -> datetime:
    """The half hour that `now` is in, by its start."""
    return now - (now - datetime.min.replace(tzinfo=now.tzinfo)) % WINDOW
