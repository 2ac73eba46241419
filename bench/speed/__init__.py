"""Benches of rates, latencies and memory."""
