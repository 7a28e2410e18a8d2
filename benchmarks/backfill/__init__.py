"""A back-fill under load and kills, and how its cost grows: `python -m benchmarks.backfill`."""
