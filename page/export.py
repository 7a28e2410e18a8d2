"""`python -m page.export`: rows and reviews as Parquet and CSV, by DuckDB (`make export`).

    --stack NAME   the classifier's stack
    --out DIR      folder for predictions.parquet, predictions.csv, reviews.parquet, reviews.csv

Both tables are read whole, each item once: for tables of some millions rather export to S3, see
docs/page.md. AWS's own credentials and region count, or the local cloud's
(`eval "$(make -s env)"`).

Exit codes: 0 written, 1 a table cannot be read, 2 used wrongly.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from botocore.exceptions import BotoCoreError, ClientError

from page.tables import items, tables

# Columns and their types, in this order; what a row does not have is NULL. As schemas/row.json.
_REVIEW = 'STRUCT(id VARCHAR, verdict VARCHAR, breed VARCHAR, "by" VARCHAR, "at" VARCHAR)'
COLUMNS = {
    "predictions": {
        "image_key": "VARCHAR",
        "sequencer": "VARCHAR",
        "version_id": "VARCHAR",
        "status": "VARCHAR",
        "classified_at": "TIMESTAMPTZ",
        "reclassified_at": "TIMESTAMPTZ",
        "reclassified_by": "VARCHAR",
        "deleted_at": "TIMESTAMPTZ",
        "breed": "VARCHAR",
        "confidence": "DOUBLE",
        "dog_probability": "DOUBLE",
        "novelty": "DOUBLE",
        "top": "STRUCT(label VARCHAR, probability DOUBLE)[]",
        "model_version": "VARCHAR",
        "variant": "VARCHAR",
        "width": "INTEGER",
        "height": "INTEGER",
        "size_bytes": "BIGINT",
        "latency_ms": "BIGINT",
        "reason": "STRUCT(code VARCHAR, message VARCHAR)",
        "sample": "BOOLEAN",
        "answered": "INTEGER",
        "backfill": "VARCHAR",
        "review": _REVIEW,
        "etag": "VARCHAR",
    },
    "reviews": {
        "image_key": "VARCHAR",
        "review_id": "VARCHAR",
        "version": "VARCHAR",
        "version_id": "VARCHAR",
        "verdict": "VARCHAR",
        "breed": "VARCHAR",
        "undoes": "VARCHAR",
        "by": "VARCHAR",
        "by_id": "VARCHAR",
        "at": "TIMESTAMPTZ",
        "answer": "STRUCT(status VARCHAR, breed VARCHAR, confidence DOUBLE, novelty DOUBLE, "
        "model_version VARCHAR)",
    },
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make export", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        for kind, table in tables(args.stack).items():
            count = write(kind, items(table), args.out)
            print(f"{count} {kind} in {args.out}/{kind}.parquet and .csv")
    except (BotoCoreError, ClientError) as error:
        print(f"The tables of {args.stack} cannot be read: {error}", file=sys.stderr)
        return 1
    return 0


def write(kind: str, items: Iterator[dict[str, Any]], out: Path) -> int:
    """Both files of one table; how many items."""
    columns = COLUMNS[kind]
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "items.jsonl"
        with lines.open("w", encoding="utf-8") as file:
            for item in items:
                kept = {name: item[name] for name in columns if name in item}
                file.write(json.dumps(kept, default=_number, ensure_ascii=False) + "\n")
                count += 1
        order = "image_key" if kind == "predictions" else "image_key, review_id"
        rows = (
            f"SELECT * FROM read_json({_text(lines)}, columns={columns}, "  # noqa: S608 - ours
            f"format='newline_delimited') ORDER BY {order}"
        )
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            for ending, options in (("parquet", "COMPRESSION zstd"), ("csv", "HEADER")):
                target = _text(out / f"{kind}.{ending}")
                database.execute(f"COPY ({rows}) TO {target} (FORMAT {ending}, {options})")
    return count


def _text(path: Path) -> str:
    """A path as SQL's text."""
    return "'" + str(path).replace("'", "''") + "'"


def _number(value: object) -> int | float:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"rows hold no {type(value).__name__}")


if __name__ == "__main__":
    sys.exit(main())
