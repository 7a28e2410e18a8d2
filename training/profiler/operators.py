"""Which of PyTorch's operators take the time, over a few steps."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

_TOP = 40  # operators that are kept; the report shows fewer, the file is for later questions


@dataclass(frozen=True)
class Operator:
    """One operator, summed over the traced steps. Self time is without the operators it calls."""

    name: str
    calls: int
    self_cpu_us: float
    total_cpu_us: float


@contextmanager
def trace(path: Path) -> Iterator[None]:
    """Run torch.profiler around what is inside and write the table to `path` (JSON).

    Operators are sorted by self CPU time. The file also holds the sum over all of them, of which
    the kept ones are a part. Raises ImportError without torch.
    """
    # Without it the tracer's library reports on every CPU-only machine that it found no GPU.
    os.environ.setdefault("KINETO_LOG_LEVEL", "5")
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as tracer:
        yield
    rows = [
        Operator(event.key, event.count, event.self_cpu_time_total, event.cpu_time_total)
        for event in tracer.key_averages()
    ]
    rows.sort(key=lambda row: row.self_cpu_us, reverse=True)
    table = {
        "self_cpu_us": sum(row.self_cpu_us for row in rows),
        "operators": [asdict(row) for row in rows[:_TOP]],
    }
    path.write_text(json.dumps(table, indent=1), encoding="utf-8")
