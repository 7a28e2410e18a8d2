"""The endpoint's limits, read once from environment variables.

SERVING_MAX_BODY_BYTES     6291456   largest request body (SageMaker takes 6 MB)
SERVING_MAX_PIXELS         50000000  largest picture, width x height, judged from its header
SERVING_MAX_INSTANCES      32        most images in one request
SERVING_MAX_BATCH          16        most images of different requests joined in one forward pass
SERVING_MAX_IN_FLIGHT      128       most images being decoded, waiting or running; more -> 429
SERVING_REQUEST_TIMEOUT_S  15        a request that takes longer is answered 503
SERVING_THREADS            0         CPU threads of the forward pass; 0 = all CPUs of this process
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields


class SettingsError(ValueError):
    """An environment variable holds something that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """Limits of one endpoint process; every value is positive (threads: 0 or more)."""

    max_body_bytes: int = 6 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_instances: int = 32
    # Measured on 2 cores: the time per image falls up to about 10 images and rises again beyond
    # 16, where the activations no longer fit any cache (benchmarks/serving.py).
    max_batch: int = 16
    max_in_flight: int = 128
    # Below the function's read time-out of 20 s, so that the answer is ours and not a cut line.
    request_timeout_s: int = 15
    threads: int = 0

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read SERVING_* variables; raises SettingsError naming the one that is wrong."""
        values = {}
        for field in fields(cls):
            name = "SERVING_" + field.name.upper()
            text = environ.get(name)
            if text is None:
                continue
            least = 0 if field.name == "threads" else 1
            if not text.isascii() or not text.isdigit() or int(text) < least:
                raise SettingsError(f"{name}={text!r}: expected a whole number of at least {least}")
            values[field.name] = int(text)
        return cls(**values)

    def thread_count(self) -> int:
        """CPU threads for the forward pass."""
        if self.threads:
            return self.threads
        if hasattr(os, "sched_getaffinity"):  # Linux: the CPUs this process may use
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
