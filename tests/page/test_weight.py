"""The static files themselves: their weight, and that nothing in them comes from elsewhere."""

from __future__ import annotations

import gzip
import re
from html.parser import HTMLParser

import pytest

from tests.page.fake_routes import STATIC

FILES = sorted(STATIC.iterdir())
MOST_BYTES = 60_000
NAMESPACE = "http://www.w3.org/2000/svg"


def text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def test_whole_page_is_light() -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in FILES}

    assert sum(sizes.values()) <= MOST_BYTES, sizes


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_file_names_no_other_origin(path: object) -> None:
    content = text(path.name).replace(NAMESPACE, "")  # type: ignore[attr-defined]

    assert re.findall(r"(?:https?:)?//[\w-]+\.\w+", content) == []
    assert "eval(" not in content
    assert "innerHTML" not in content


class _Inline(HTMLParser):
    """Handlers, styles and scripts that stand in the page itself, which its policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.named: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.found += [name for name in names if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)
        self.named += [names[name] or "" for name in ("src", "href") if name in names]


def test_page_has_nothing_inline_and_only_names_files_that_exist() -> None:
    page = _Inline()
    page.feed(text("index.html"))

    assert page.found == []
    files = [name for name in page.named if name[:1] not in {"?", "#"}]
    assert files
    assert all((STATIC / name.removeprefix("static/")).is_file() for name in files)
    assert all(name.startswith("static/") for name in files)


def test_every_module_is_used_and_asked_for_at_once() -> None:
    modules = {path.name for path in FILES if path.suffix == ".js"}
    imported = {
        name for module in modules for name in re.findall(r'from "\./([\w.]+)"', text(module))
    }
    hinted = set(re.findall(r'rel="modulepreload" href="static/([\w.]+)"', text("index.html")))

    assert imported == modules - {"main.js"}
    assert hinted == imported
