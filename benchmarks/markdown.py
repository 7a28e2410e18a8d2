"""Pieces of the pages that are made of results: tables, paragraphs, figures."""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import fill


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The table's lines."""
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def paragraph(words: str, indent: str = "") -> str:
    """The words in lines of up to 120 characters; `indent` is of all but the first."""
    return fill(
        words, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def bullets(items: Iterable[str]) -> Iterator[str]:
    """A list, one item after the other."""
    for item in items:
        yield paragraph(f"- {item}", "  ")


def percent(share: float, digits: int = 0) -> str:
    """A share of 0 to 1 as text."""
    return f"{100 * share:.{digits}f} %"
