"""The gate: pure functions that decide whether a candidate is good enough to be served."""
