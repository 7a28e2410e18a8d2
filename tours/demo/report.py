"""What the demo shows of the rows: a table in the terminal, JSON, a contact sheet in HTML."""

from __future__ import annotations

import base64
import html
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from photo_reader import PhotoError, read

Row = Mapping[str, Any]
STATUS_STYLE = {
    "CLASSIFIED": "green",
    "UNKNOWN_BREED": "cyan",
    "NO_DOG": "yellow",
    "REJECTED": "red",
}
THUMBNAIL_PX = 320


def plain(value: Any) -> Any:
    """DynamoDB's Decimals as int or float, the rest as it is, all the way down."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """The table's items as a JSON list, attribute names as in the table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(rows), indent=2, ensure_ascii=False, sort_keys=True) + "\n")


def _verdict(row: Row) -> str:
    if row["status"] == "REJECTED":
        return f"{row['reason']['code']}: {row['reason']['message']}"
    return str(row.get("breed") or row["status"].replace("_", " ").lower())


def _top(row: Row, count: int = 3) -> list[Mapping[str, Any]]:
    """The best guesses at the breed of a dog."""
    return row["top"][:count] if row["status"] in ("CLASSIFIED", "UNKNOWN_BREED") else []


def table(rows: Sequence[Row], prefix: str) -> Table:
    """Photo, status, breed, confidence, top 3, milliseconds."""
    result = Table(title="The predictions table", title_justify="left")
    result.add_column("photo", overflow="fold")
    result.add_column("status", no_wrap=True)
    result.add_column("breed", overflow="fold")
    result.add_column("confidence", justify="right", no_wrap=True)
    result.add_column("top 3", overflow="fold")
    result.add_column("ms", justify="right", no_wrap=True)
    for row in rows:
        confidence = row.get("confidence")
        style = STATUS_STYLE.get(row["status"], "")
        result.add_row(
            escape(row["image_key"].removeprefix(prefix)),
            f"[{style}]{row['status']}[/{style}]",
            escape(_verdict(row)),
            "" if confidence is None else f"{confidence:.1%}",
            escape(", ".join(f"{t['label']} {t['probability']:.0%}" for t in _top(row))),
            str(row.get("latency_ms", "")),
        )
    return result


def counts(rows: Sequence[Row]) -> str:
    """`38 CLASSIFIED, 1 NO_DOG, 1 REJECTED`."""
    by_status = Counter(row["status"] for row in rows)
    return ", ".join(f"{count} {status}" for status, count in sorted(by_status.items()))


def _thumbnail(path: Path) -> str:
    """The picture as a data URL, upright and small; empty for a file that is no photo."""
    try:
        upright = read(path.read_bytes(), THUMBNAIL_PX).picture
    except (PhotoError, OSError, MemoryError):
        return ""
    upright.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    out = io.BytesIO()
    upright.save(out, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def _card(row: Row, path: Path, prefix: str) -> str:
    image = _thumbnail(path)
    name = html.escape(row["image_key"].removeprefix(prefix))
    picture = f'<img alt="{name}" src="{image}">' if image else '<div class="none">no picture</div>'
    bars = "".join(
        f'<li><span class="bar" style="width:{t["probability"] * 100:.1f}%"></span>'
        f"<span>{html.escape(t['label'])}</span><b>{t['probability']:.0%}</b></li>"
        for t in _top(row)
    )
    status = row["status"]
    return (
        f'<figure class="{status.lower()}">{picture}'
        f"<figcaption><h2>{html.escape(_verdict(row))}</h2>"
        f"<ol>{bars}</ol><p>{status.replace('_', ' ').lower()} · {name}</p></figcaption></figure>"
    )


STYLE = """
:root { color-scheme: light dark; --card: #fff; --page: #f3f1ec; --ink: #22201c; --soft: #8a8578;
  --bar: #f0d9a8 }
@media (prefers-color-scheme: dark) {
  :root { --card: #25231f; --page: #171613; --ink: #eee9df; --soft: #98917f; --bar: #6a5524 }
}
body { margin: 0; padding: 2rem; background: var(--page); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif }
h1 { font-size: 1.5rem; margin: 0 }
header p { color: var(--soft); margin: .3rem 0 1.5rem }
main { display: grid; gap: 1.1rem; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)) }
figure { margin: 0; background: var(--card); border-radius: 12px; overflow: hidden;
  border-top: 5px solid #5b9a5b; box-shadow: 0 1px 4px #0002 }
figure.unknown_breed { border-color: #4a8fb5 }
figure.no_dog { border-color: #d9a521 }
figure.rejected { border-color: #c8503c }
img, .none { display: block; width: 100%; height: 200px; object-fit: cover }
.none { display: grid; place-items: center; color: var(--soft); background: var(--page) }
figcaption { padding: .7rem .9rem .5rem }
h2 { font-size: 1.02rem; margin: 0 0 .5rem; overflow-wrap: anywhere }
ol { list-style: none; margin: 0; padding: 0 }
li { position: relative; display: flex; justify-content: space-between; padding: .1rem .4rem;
  margin: .15rem 0; font-size: .85rem }
li span, li b { position: relative }
li .bar { position: absolute; inset: 0 auto 0 0; background: var(--bar); border-radius: 4px }
p { color: var(--soft); font-size: .78rem; margin: .5rem 0 .2rem; overflow-wrap: anywhere }
"""


def write_contact_sheet(
    rows: Sequence[Row], paths: Mapping[str, Path], prefix: str, source: str, sheet: Path
) -> None:
    """One self-contained HTML file: every picture and what its row says; `paths` is by key."""
    cards = "\n".join(_card(row, paths[row["image_key"]], prefix) for row in rows)
    sheet.parent.mkdir(parents=True, exist_ok=True)
    sheet.write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Predictions</title><style>{STYLE}</style></head><body><header><h1>Predictions</h1>"
        f"<p>{html.escape(source)} · {html.escape(counts(rows))}</p></header>"
        f"<main>{cards}</main></body></html>\n",
        encoding="utf-8",
    )
