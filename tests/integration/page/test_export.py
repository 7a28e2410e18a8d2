"""`make export`: rows and reviews as files that other programs read."""

from __future__ import annotations

import csv
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.launch import ROOT
from rigs.page import EMAIL, Page
from rigs.rows import make_row

PYTHON = ROOT / ".venv" / "export" / "bin" / "python"
_READ = """
import duckdb, json, sys
rows = duckdb.sql(f"SELECT * FROM read_parquet('{sys.argv[1]}')")
print(json.dumps([dict(zip(rows.columns, row)) for row in rows.fetchall()], default=str))
"""


def test_rows_and_reviews_are_written_as_parquet_and_csv(page: Page, tmp_path: Path) -> None:
    if not PYTHON.exists():
        pytest.skip("run `make .venv/export/.stamp`")
    key = 'uploads/a, "b"\nc.jpg'
    table = page.cloud.resource("dynamodb").Table(page.outputs["TableName"])
    table.put_item(Item=make_row(key, at=datetime.now(UTC)))
    person = page.sign_in(EMAIL)
    items = person.http.get("predictions", headers=person.headers).json()["items"]
    (item,) = [each for each in items if each["key"] == key]
    said = {"version": item["version"], "verdict": "NEW_BREED", "breed": "Élo"}
    person.http.put(f"{item['links']['self']}/review", headers=person.headers, json=said)

    out = tmp_path / "it's here"
    subprocess.run(
        ["make", "export", f"STACK={page.stack}", f"OUT={out}"],
        cwd=ROOT,
        env=page.cloud.environment(),
        check=True,
        capture_output=True,
    )

    linked = tmp_path / "linked"
    linked.symlink_to(out)
    for kind in ("predictions", "reviews"):
        read = subprocess.run(
            [PYTHON, "-c", _READ, str(linked / f"{kind}.parquet")],
            check=True,
            capture_output=True,
            text=True,
        )
        (found,) = [row for row in json.loads(read.stdout) if row["image_key"] == key]
        with (out / f"{kind}.csv").open(newline="", encoding="utf-8") as file:
            (line,) = [row for row in csv.DictReader(file) if row["image_key"] == key]
        if kind == "predictions":
            assert found["breed"] == line["breed"] == "Pug"
            assert found["review"]["breed"] == "Élo"
        else:
            assert (found["breed"], line["breed"], line["by"]) == ("Élo", "Élo", EMAIL)
            assert found["answer"]["breed"] == "Pug"


def test_stack_that_there_is_not_is_said_in_words(page: Page) -> None:
    done = subprocess.run(
        ["make", "export", "STACK=none"],
        cwd=ROOT,
        env=page.cloud.environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "none" in done.stderr
    assert "Traceback" not in done.stderr
