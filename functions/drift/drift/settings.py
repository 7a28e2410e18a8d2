"""Every environment variable of the function, read once.

PREDICTIONS_TABLE   table of the rows (required)
DRIFT_TABLE         table of the days and baselines (required)
NAMESPACE           CloudWatch's namespace for the figures (required)
TOPIC_ARN           topic that findings are mailed by, default none
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    predictions_table: str
    drift_table: str
    namespace: str
    topic_arn: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "Settings":
        """Raises ValueError that names the variable."""
        return cls(
            predictions_table=_required(env, "PREDICTIONS_TABLE"),
            drift_table=_required(env, "DRIFT_TABLE"),
            namespace=_required(env, "NAMESPACE"),
            topic_arn=env.get("TOPIC_ARN", ""),
        )


def _required(env: Mapping[str, str], name: str) -> str:
    if value := env.get(name, "").strip():
        return value
    raise ValueError(
        f"environment variable {name} is not set: the template gives it to the function"
    )
