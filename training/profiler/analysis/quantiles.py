"""Order statistics of what was measured, without numpy: reports are made where it is missing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Quantiles:
    """The five figures that SageMaker's profiler report gives of a metric, and the mean."""

    maximum: float
    p99: float
    p95: float
    p50: float
    minimum: float
    mean: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Quantiles | None":
        """Quantiles of `values`; None when there are none."""
        ordered = sorted(values)
        if not ordered:
            return None
        return cls(
            maximum=ordered[-1],
            p99=quantile(ordered, 0.99),
            p95=quantile(ordered, 0.95),
            p50=quantile(ordered, 0.50),
            minimum=ordered[0],
            mean=sum(ordered) / len(ordered),
            count=len(ordered),
        )

    def rounded(self, digits: int = 2) -> dict[str, float]:
        """The figures as SageMaker's report names them."""
        named = {"max": self.maximum, "p99": self.p99, "p95": self.p95, "p50": self.p50}
        return {
            name: round(value, digits) for name, value in (named | {"min": self.minimum}).items()
        }


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie, interpolated as numpy does it."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; 0 of nothing."""
    return sum(values) / len(values) if values else 0.0
