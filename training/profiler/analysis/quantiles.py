"""Order statistics without numpy: reports are also made where it is missing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles


@dataclass(frozen=True)
class Quantiles:
    """The five figures that SageMaker's profiler report gives of a metric, and the mean."""

    maximum: float
    p99: float
    p95: float
    p50: float
    minimum: float
    mean: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Quantiles | None":
        """Quantiles of `values`; None when there are none."""
        found = list(values)
        if not found:
            return None
        cuts = percentiles(found)
        return cls(max(found), cuts[98], cuts[94], cuts[49], min(found), fmean(found))

    def rounded(self, digits: int = 2) -> dict[str, float]:
        """The figures as SageMaker's report names them."""
        named = {"max": self.maximum, "p99": self.p99, "p95": self.p95, "p50": self.p50}
        return {
            name: round(value, digits) for name, value in (named | {"min": self.minimum}).items()
        }


def percentiles(values: Sequence[float]) -> list[float]:
    """The 1st to 99th percentile of at least one value, interpolated as numpy does."""
    if len(values) == 1:  # statistics.quantiles accepts that from Python 3.13 on
        return [*values] * 99
    return quantiles(values, n=100, method="inclusive")


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; 0 of nothing."""
    return fmean(values) if values else 0.0
