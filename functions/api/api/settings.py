"""Every environment variable of the function, read once.

PREDICTIONS_TABLE   table of the rows (required)
REVIEWS_TABLE       table of what people said (required)
TALLIES_TABLE       table of the counts (required)
DEPLOYMENTS_TABLE   the first stack's table of deployments, <stack>-deployments (required)
BUCKET              bucket of the photos (required)
BACKFILL_BUCKET     another bucket of photos, in the same region, default none
DRIFT_TABLE         table of the nightly watch on drift, default none: nobody watches
CURSOR_SECRET       name or ARN of the secret that signs cursors (required)
SIGN_IN_HOST        host of the user pool's sign-in page (required)
CLIENT_ID           the page's client in the user pool (required)
URL_SUFFIX          domain of AWS's services, default amazonaws.com
FIRST_MONTH         month of the oldest rows that have this version's indexes, default 2026-11

AWS_REGION is Lambda's own; AWS_ENDPOINT_URL is set on the local cloud, which has one address for
everything. Powertools reads POWERTOOLS_SERVICE_NAME and POWERTOOLS_LOG_LEVEL.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

# As much as the classify function reads; MAX_OBJECT_BYTES in template.yaml.
MAX_UPLOAD_BYTES = 25 * 1024 * 1024


@dataclass(frozen=True)
class Settings:
    predictions_table: str
    reviews_table: str
    tallies_table: str
    deployments_table: str
    bucket: str
    cursor_secret: str
    sign_in_host: str
    client_id: str
    region: str
    url_suffix: str = "amazonaws.com"
    endpoint_url: str = ""
    first_month: str = "2026-11"
    backfill_bucket: str = ""
    drift_table: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "Settings":
        """Raises ValueError that names the variable."""
        return cls(
            predictions_table=_required(env, "PREDICTIONS_TABLE"),
            reviews_table=_required(env, "REVIEWS_TABLE"),
            tallies_table=_required(env, "TALLIES_TABLE"),
            deployments_table=_required(env, "DEPLOYMENTS_TABLE"),
            bucket=_required(env, "BUCKET"),
            cursor_secret=_required(env, "CURSOR_SECRET"),
            sign_in_host=_required(env, "SIGN_IN_HOST"),
            client_id=_required(env, "CLIENT_ID"),
            region=_required(env, "AWS_REGION"),
            url_suffix=env.get("URL_SUFFIX") or cls.url_suffix,
            endpoint_url=env.get("AWS_ENDPOINT_URL", "").rstrip("/"),
            first_month=env.get("FIRST_MONTH") or cls.first_month,
            backfill_bucket=env.get("BACKFILL_BUCKET", ""),
            drift_table=env.get("DRIFT_TABLE", ""),
        )

    @property
    def is_local(self) -> bool:
        return bool(self.endpoint_url)

    @property
    def sign_in_url(self) -> str:
        """The user pool's OAuth endpoints are below it."""
        return self.endpoint_url or f"https://{self.sign_in_host}"

    def origin_of(self, bucket: str) -> str:
        """Scheme and host of a bucket's objects, as content-security-policy names them."""
        if self.is_local:
            return self.endpoint_url
        return f"https://{bucket}.s3.{self.region}.{self.url_suffix}"

    def url_of(self, bucket: str) -> str:
        return f"{self.origin_of(bucket)}/{bucket}" if self.is_local else self.origin_of(bucket)

    @property
    def bucket_urls(self) -> Mapping[str, str]:
        """As api.signing.Signer wants them."""
        others = [self.backfill_bucket] if self.backfill_bucket else []
        return {"": self.url_of(self.bucket)} | {name: self.url_of(name) for name in others}


def _required(env: Mapping[str, str], name: str) -> str:
    if value := env.get(name, "").strip():
        return value
    raise ValueError(
        f"environment variable {name} is not set: page/template.yaml gives it to the function"
    )
