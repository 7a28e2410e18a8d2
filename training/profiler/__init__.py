"""Where a training job's time, processors and memory go: record while it runs, report at its end.

The training script meets the profiler at these lines, and at no others:

    profiler = Profiler.start(base_dir, enabled=flags.profile and rank == 0)
    with profiler.phase("initialisation"):
        ...                                       # data set, model, optimiser
    with profiler.phase("features"):
        ...                                       # the frozen backbone, once
    for epoch in range(1, epochs + 1):
        for step, (x, t) in enumerate(batches):
            with profiler.phase("data"): ...
            with profiler.phase("forward"): ...
            with profiler.phase("backward"): ...
            with profiler.phase("optimizer"): ...
            profiler.step("train", epoch, step, len(x))
        with profiler.phase("eval"):
            ...                                   # may hold phases and step("eval", ...) of its own
        with profiler.phase("checkpoint"): ...
    profiler.close(report_dir, JobFacts(name="job", flags=vars(flags)))

`with profiler.operators():` around a few steps adds the table of PyTorch's operators.

What is recorded lies under <base>/output/profiler in the formats of SageMaker Debugger (system
metrics and framework timeline), so that its own readers read it back, and so that
`python -m training.profiler <folder>` rebuilds the report, also of a job that was killed.
Nothing here imports torch at import time.
"""

from training.profiler.facts import JobFacts, Lever
from training.profiler.session import Profiler
from training.profiler.timings import Mode, Phase

__all__ = ["JobFacts", "Lever", "Mode", "Phase", "Profiler"]
