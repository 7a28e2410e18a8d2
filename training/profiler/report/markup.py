"""HTML that its content cannot break: text is escaped unless it was built here."""

from collections.abc import Iterable
from html import escape

_VOID = frozenset(("meta", "br"))


class Markup(str):
    """HTML, as opposed to text that has to be escaped to become it."""

    __slots__ = ()


Child = str | Markup | Iterable[Markup]


def element(tag: str, *children: Child, **attributes: str | float | None) -> Markup:
    """`<tag ...>children</tag>`; text children and attribute values are escaped.

    An attribute's name is written with `_` for `-` and `cls` for `class`; None leaves it out.
    """
    names = {"cls": "class"}
    written = "".join(
        f' {names.get(name, name.replace("_", "-"))}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{join(*children)}</{tag}>")


def join(*children: Child) -> Markup:
    """The children one after the other, text escaped."""
    parts: list[str] = []
    for child in children:
        if isinstance(child, Markup):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(escape(child))
        else:
            parts.extend(child)
    return Markup("".join(parts))


def table(heads: Iterable[str], rows: Iterable[Iterable[Child]]) -> Markup:
    """A table that scrolls inside its own box; every column but the first is of numbers."""
    head = element("tr", [element("th", text, scope="col") for text in heads])
    body = [element("tr", [element("td", cell) for cell in row]) for row in rows]
    inner = element("table", element("thead", head), element("tbody", body))
    return element("div", inner, cls="scroll", tabindex="0")
