"""Interruptions of managed spot training, on request.

A job that asks for EnableManagedSpotTraining may name, in the request's Environment,

    LOCAL_SPOT_INTERRUPT_AFTER_S=20        or several: 20,5

the seconds of training after which its instance is "taken back": SIGTERM, SIGKILL 120 s later; then
Interrupted, Restarting, an empty /opt/ml but for the inputs, the checkpoints from S3, Training. One
number is one interruption. AWS knows nothing of the variable and only hands it to the script.
"""

from __future__ import annotations

from collections.abc import Iterator

from local.errors import AwsError
from local.store import Record

VARIABLE = "LOCAL_SPOT_INTERRUPT_AFTER_S"


def interruptions(record: Record) -> Iterator[float]:
    """Seconds of training before each interruption that is still to come. Raises AwsError."""
    asked = record.get("Environment", {}).get(VARIABLE, "")
    if not asked or not record.get("EnableManagedSpotTraining"):
        return iter([])
    try:
        return iter([float(word) for word in asked.split(",")])
    except ValueError as error:
        raise AwsError(
            "ValidationException", f"{VARIABLE}={asked!r} is not seconds, or seconds with commas."
        ) from error
