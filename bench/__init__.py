"""Benchmarks: `python -m bench NAME` runs one; the results are in `bench/results`."""
