"""boto3 clients of the local cloud itself, whatever the user's own AWS configuration says."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from local.settings import ACCESS_KEY, REGION, SECRET_KEY


def aws_client(service: str, url: str, region: str = REGION) -> Any:
    return boto3.session.Session(
        aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=region
    ).client(
        service,
        endpoint_url=url,
        config=Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"total_max_attempts": 3},
            s3={"addressing_style": "path"},
            proxies={},  # none can reach the cloud
        ),
    )
