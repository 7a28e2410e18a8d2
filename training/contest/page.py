"""A report as one HTML file with its pictures inside: it opens anywhere and asks for nothing.

Its parts, for the contest and for what a new model answers otherwise (backfill).
"""

import base64
import io

from PIL import Image

from photo_reader import PhotoError, read
from training.profiler.report.markup import Markup, element, join, table

__all__ = [
    "MOST_PICTURES",
    "Markup",
    "document",
    "element",
    "join",
    "section",
    "table",
    "thumbnail",
]

# A file of photos that is opened in a browser and sent by mail: 120 thumbnails are about 1 MB.
MOST_PICTURES = 120
_SIDE_PX = 144
_STYLE = """
:root{color-scheme:light dark;--paper:#f5f7fa;--card:#fff;--ink:#17202e;--soft:#566377;
 --edge:#dfe5ec;--bad:#b42a18;--badbg:#fdebe7;--good:#0b6e4b;--goodbg:#e3f5ec}
@media(prefers-color-scheme:dark){:root{--paper:#0e131b;--card:#171e29;--ink:#e8edf5;
 --soft:#9aa8bb;--edge:#2a3443;--bad:#ff8a75;--badbg:#3b1d18;--good:#54d6a0;--goodbg:#12342a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
 font:15px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
main{max-width:1120px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.5rem;margin:0 0 8px}h2{font-size:1.15rem;margin:0 0 8px}p{margin:0 0 10px}
section{background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:18px;
 margin:16px 0}
.soft{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad)}
.verdict{border-radius:12px;padding:14px 18px;font-size:1.05rem;overflow-wrap:anywhere}
.verdict.good{background:var(--goodbg)}.verdict.bad{background:var(--badbg)}
.scroll{overflow-x:auto;margin:0 0 10px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:4px 10px;border-bottom:1px solid var(--edge);white-space:nowrap}
th:first-child,td:first-child{text-align:left}
.flips{display:grid;grid-template-columns:repeat(auto-fill,minmax(330px,1fr));gap:12px}
.flip{display:flex;gap:12px;border:1px solid var(--edge);border-radius:10px;padding:10px;margin:0;
 min-width:0}
.flip img,.flip .none{width:120px;height:120px;object-fit:cover;border-radius:6px;flex:none;
 background:var(--edge)}
.flip div{min-width:0;overflow-wrap:anywhere}.flip p{margin:0 0 4px}
"""


def document(title: str, *children: Markup) -> str:
    """The whole page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width,initial-scale=1"),
        element("title", title),
        element("style", Markup(_STYLE)),
    )
    body = element("body", element("main", element("h1", title), *children))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def section(title: str, *children: Markup) -> Markup:
    """A card with a heading."""
    return element("section", element("h2", title), *children)


def thumbnail(content: bytes) -> str | None:
    """A data URI of a small JPEG; None for what is no photo."""
    try:
        image = read(content, _SIDE_PX).picture
    except PhotoError:
        return None
    image.thumbnail((2 * _SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=75)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
