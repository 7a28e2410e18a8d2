"""The endpoint beside what else would serve the same model: `make benchmark-serving`."""
