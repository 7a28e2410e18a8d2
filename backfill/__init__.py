"""`make backfill` and `make reclassify`: what was there before its stack or its model."""
