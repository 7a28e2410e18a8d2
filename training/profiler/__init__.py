"""Record where a training job's time, processors and memory go; write a report at its end.

README.md shows how a training script uses it. Importing this does not import torch.
"""

from training.profiler.facts import JobFacts, Lever
from training.profiler.session import Profiler

__all__ = ["JobFacts", "Lever", "Profiler"]
