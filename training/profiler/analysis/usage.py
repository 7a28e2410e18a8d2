"""Statistics of the machine's use."""

from collections.abc import Sequence

from training.profiler.analysis.quantiles import Quantiles, mean
from training.profiler.recording import Sample

# The metrics that are bytes a second; all others are percent of all cores, GPUs or memory.
RATES = frozenset(("Disk read", "Disk write", "Network"))


def usage_statistics(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """max, p99, p95, p50 and min of every metric that was recorded, named as SageMaker does."""
    columns = {
        "CPU": [mean(s.cpu) for s in samples if s.cpu],
        "CPU of this job": [s.job_cpu for s in samples if s.job_cpu is not None],
        "CPU memory": [s.memory for s in samples if s.memory is not None],
        "CPU memory of this job": [s.job_memory for s in samples if s.job_memory is not None],
        "I/O": [mean(s.io_wait) for s in samples if s.io_wait],
        "Disk read": [s.read for s in samples if s.read is not None],
        "Disk write": [s.written for s in samples if s.written is not None],
        "Network": [
            s.received + s.sent for s in samples if s.received is not None and s.sent is not None
        ],
        "GPU": [mean(s.gpu) for s in samples if s.gpu],
        "GPU memory": [mean(s.gpu_memory) for s in samples if s.gpu_memory],
    }
    found = {name: Quantiles.of(values) for name, values in columns.items()}
    return {name: figures.rounded() for name, figures in found.items() if figures}
