"""The profiler rules, named as SageMaker's built-in ones."""

from training.profiler.analysis.rules.bottlenecks import (
    cpu_bottleneck,
    data_loader,
    io_bottleneck,
)
from training.profiler.analysis.rules.finding import Finding, Rule
from training.profiler.analysis.rules.loop import (
    max_initialization_time,
    overall_framework_metrics,
    overall_system_usage,
    step_outlier,
)
from training.profiler.analysis.rules.utilisation import (
    batch_size,
    gpu_memory_increase,
    load_balancing,
    low_gpu_utilization,
    memory_increase,
)
from training.profiler.analysis.timeline import Timeline

RULES: tuple[Rule, ...] = (
    cpu_bottleneck,
    io_bottleneck,
    data_loader,
    batch_size,
    step_outlier,
    max_initialization_time,
    load_balancing,
    memory_increase,
    low_gpu_utilization,
    gpu_memory_increase,
    overall_system_usage,
    overall_framework_metrics,
)
_ORDER = ("triggered", "quiet", "statistics", "not evaluated")


def evaluate(timeline: Timeline) -> list[Finding]:
    """Every rule's finding, the one that triggered most often first."""
    findings = [rule(timeline) for rule in RULES]
    return sorted(findings, key=lambda f: (_ORDER.index(f.state), -f.triggered, -f.violations))
