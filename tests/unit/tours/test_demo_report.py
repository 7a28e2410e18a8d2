"""What the demo shows: plain JSON, a table, a contact sheet that no file name can break."""

from __future__ import annotations

import base64
import io
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from rigs import heic
from tours.demo import report

PREFIX = "uploads/"


def _classified(key: str = "uploads/rex.jpg") -> dict[str, Any]:
    return {
        "image_key": key,
        "status": "CLASSIFIED",
        "breed": "Pug",
        "confidence": 0.9,
        "top": [{"label": "Pug", "probability": 0.9}, {"label": "Boxer", "probability": 0.05}],
        "latency_ms": 1234,
    }


def _rejected(key: str = "uploads/text.jpg") -> dict[str, Any]:
    reason = {"code": "NOT_AN_IMAGE", "message": "the bytes are those of no image"}
    return {"image_key": key, "status": "REJECTED", "reason": reason}


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Decimal("3"), 3),
        (Decimal("0.25"), 0.25),
        ({"a": [Decimal("1"), "x", None, True]}, {"a": [1, "x", None, True]}),
    ],
)
def test_decimals_become_numbers_all_the_way_down(value: object, plain: object) -> None:
    got = report.plain(value)
    assert got == plain
    json.dumps(got)


def test_rows_are_written_as_a_json_list(tmp_path: Path) -> None:
    rows = [_classified("uploads/犬 +.jpg"), _rejected()]
    report.write_rows(rows, tmp_path / "new" / "rows.json")
    assert json.loads((tmp_path / "new" / "rows.json").read_text()) == rows


def test_table_shows_photo_status_breed_confidence_top_and_time() -> None:
    out = io.StringIO()
    rows = [_classified(), _rejected(), {"image_key": "uploads/cat.jpg", "status": "NO_DOG"}]
    Console(file=out, width=150).print(report.table(rows, PREFIX))
    text = out.getvalue()
    for part in ("rex.jpg", "CLASSIFIED", "Pug 90%, Boxer 5%", "90.0%", "1234", "no dog"):
        assert part in text
    assert "NOT_AN_IMAGE: the bytes are those of no image" in text
    assert report.counts(rows) == "1 CLASSIFIED, 1 NO_DOG, 1 REJECTED"


def test_dog_of_an_unknown_breed_is_shown_with_the_nearest_ones(tmp_path: Path) -> None:
    row = _classified() | {"status": "UNKNOWN_BREED", "novelty": 0.99}
    del row["breed"]
    out = io.StringIO()
    Console(file=out, width=150).print(report.table([row], PREFIX))
    for part in ("UNKNOWN_BREED", "unknown breed", "Pug 90%, Boxer 5%"):
        assert part in out.getvalue()
    picture = tmp_path / "rex.jpg"
    Image.new("RGB", (90, 50)).save(picture)
    report.write_contact_sheet([row], {row["image_key"]: picture}, PREFIX, "1", tmp_path / "s.html")
    sheet = (tmp_path / "s.html").read_text()
    assert '<figure class="unknown_breed">' in sheet
    assert "<h2>unknown breed</h2>" in sheet
    assert "<span>Pug</span><b>90%</b>" in sheet


def test_file_name_with_markup_stays_text_in_table_and_sheet(tmp_path: Path) -> None:
    name = "[red]<script>alert(1)</script>[/x].jpg"
    row = _classified(PREFIX + name)
    out = io.StringIO()
    Console(file=out, width=150).print(report.table([row], PREFIX))
    assert "[red]<script>" in out.getvalue()
    picture = tmp_path / "picture.jpg"
    Image.new("RGB", (900, 500)).save(picture)
    report.write_contact_sheet(
        [row], {PREFIX + name: picture}, PREFIX, "a <b>", tmp_path / "s.html"
    )
    sheet = (tmp_path / "s.html").read_text()
    assert "<script>" not in sheet
    assert "a &lt;b&gt;" in sheet


def test_sheet_holds_every_file_and_needs_no_other(tmp_path: Path) -> None:
    picture, text = tmp_path / "rex.jpg", tmp_path / "text.jpg"
    Image.new("RGB", (900, 500)).save(picture)
    text.write_text("no picture at all")
    paths = {"uploads/rex.jpg": picture, "uploads/text.jpg": text}
    report.write_contact_sheet(
        [_classified(), _rejected()], paths, PREFIX, "2 files", tmp_path / "s.html"
    )
    sheet = (tmp_path / "s.html").read_text()
    assert sheet.count("<figure") == 2
    assert sheet.count("data:image/jpeg;base64,") == 1
    assert "no picture" in sheet
    assert "http" not in sheet.replace("</html>", "")


def test_sheet_shows_what_the_reader_reads(tmp_path: Path) -> None:
    picture = tmp_path / "rex.heic"
    picture.write_bytes(heic.TURNED)
    report.write_contact_sheet(
        [_classified()], {"uploads/rex.jpg": picture}, PREFIX, "1 file", tmp_path / "s.html"
    )
    shown = re.search(r"base64,([^\"]+)", (tmp_path / "s.html").read_text())
    assert shown
    assert Image.open(io.BytesIO(base64.b64decode(shown[1]))).size == (64, 96)
