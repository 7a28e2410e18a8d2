"""Months as text, 2026-11: what the indexes are split by."""

from datetime import datetime


def month_of(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


def before(month: str) -> str:
    year, number = int(month[:4]), int(month[5:7])
    return f"{year - 1:04}-12" if number == 1 else f"{year:04}-{number - 1:02}"


def after(month: str) -> str:
    year, number = int(month[:4]), int(month[5:7])
    return f"{year + 1:04}-01" if number == 12 else f"{year:04}-{number + 1:02}"


def stamp(moment: datetime) -> str:
    """As the rows have their times, in UTC: 2026-11-20T09:15:01.123456Z."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"
