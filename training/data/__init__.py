"""The data set: get it, check it, split it, put it into S3. Imports no torch."""
