"""AWS CLI v1 plugin: AWS_ENDPOINT_URL for every service.

The CLI overrides the endpoint of SQS (and of EMR, RDS) with a legacy host name when --endpoint-url
is not given, and so never looks at the variable. This gives it the option.
"""

import os
from typing import Any


def awscli_initialize(cli: Any) -> None:
    cli.register("before-building-argument-table-parser", _set_endpoint)


def _set_endpoint(parsed_globals: Any, **_: Any) -> None:
    if parsed_globals.endpoint_url is None:
        parsed_globals.endpoint_url = os.environ.get("AWS_ENDPOINT_URL")
