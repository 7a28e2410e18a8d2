"""Durations, sizes and shares as people read them."""

from datetime import UTC, datetime


def duration(seconds: float) -> str:
    """1.2 ms, 34 s, 5 min 06 s, 2 h 05 min."""
    if seconds <= 0:
        return "0 s"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    if seconds < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"


def size(number: float) -> str:
    """Bytes in powers of 1,000."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def percent(share: float, total: float) -> str:
    """`share` of `total` in percent; a dash when there is no total."""
    if total <= 0:
        return "-"
    value = 100 * share / total
    if 0 < value < 0.1:
        return "< 0.1 %"
    return f"{value:.1f} %" if value < 9.95 else f"{value:.0f} %"


def moment(epoch_s: float) -> str:
    """A time of day, in UTC."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def count(number: int) -> str:
    """12,345."""
    return f"{number:,}"
