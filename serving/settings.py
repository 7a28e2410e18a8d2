"""The endpoint's limits, read once from environment variables.

SERVING_MAX_BODY_BYTES     6291456   largest request body (SageMaker takes 6 MB)
SERVING_MAX_PIXELS         photo_reader.MAX_PIXELS, the largest picture, width x height
SERVING_MAX_INSTANCES      32        most images in one request
SERVING_MAX_BATCH          4         most images in one forward pass, of one request or of several
SERVING_MAX_IN_FLIGHT      128       most images being decoded, waiting or running; more -> 429
SERVING_MAX_REQUESTS       0         most requests with such images; more -> 429. 0 = 32 a thread
SERVING_REQUEST_TIMEOUT_S  15        a request that takes longer is answered 503
SERVING_THREADS            0         CPU threads, a forward pass on each; 0 = all of this process
SERVING_PRECISION          float32   or mixed: int8, and once more in float32 where the answer is
                                     close. A third faster (EfficientNet-Lite0) to twice as fast
                                     (ResNet50) where the CPU multiplies int8 itself (VNNI, AMX),
                                     float32 alone elsewhere. Of the starter model's labels about
                                     two in a thousand change (3 of 1,680), and confidences move a
                                     little (benchmarks/calibration); with a backbone that was
                                     trained it may be more
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from photo_reader import MAX_PIXELS

FloatPrecision = Literal["float32", "bf16"]
Precision = FloatPrecision | Literal["int8"]  # of a network
ServedPrecision = Literal["float32", "mixed"]
PRECISIONS = get_args(ServedPrecision)
ZERO_CHOOSES = ("max_requests", "threads")


class SettingsError(ValueError):
    """An environment variable holds something that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """Limits of one endpoint process; every number is positive, or see above for 0."""

    max_body_bytes: int = 6 * 1024 * 1024
    max_pixels: int = MAX_PIXELS
    max_instances: int = 32
    # Each pass runs on one CPU. Up to about four images the time of each hardly changes; beyond, it
    # rises, since the activations no longer fit that CPU's cache (benchmarks/engines).
    max_batch: int = 4
    max_in_flight: int = 128
    # In a flood of single images, those that fill the queue are answered late, so they should be
    # few. But 64 clients that each wait for their answer should all find a place on two CPUs.
    max_requests: int = 0
    # Below the function's read time-out of 20 s, so that the answer is ours and not a cut line.
    request_timeout_s: int = 15
    threads: int = 0
    precision: ServedPrecision = "float32"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read SERVING_* variables; raises SettingsError naming the one that is wrong."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            name = "SERVING_" + field.name.upper()
            text = environ.get(name)
            if text is None:
                continue
            if field.name == "precision":
                if text not in PRECISIONS:
                    known = ", ".join(PRECISIONS)
                    raise SettingsError(f"{name}={text!r}: expected one of {known}")
                values[field.name] = text
                continue
            least = 0 if field.name in ZERO_CHOOSES else 1
            if not text.isascii() or not text.isdigit() or int(text) < least:
                raise SettingsError(f"{name}={text!r}: expected a whole number of at least {least}")
            values[field.name] = int(text)
        return cls(**values)

    def thread_count(self) -> int:
        """CPU threads for the forward pass."""
        return self.threads or cpu_count()

    def request_limit(self) -> int:
        """Most requests at a time."""
        return self.max_requests or 32 * self.thread_count()


def cpu_count() -> int:
    """CPUs that this process may use; on other systems than Linux, all of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
