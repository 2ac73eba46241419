"""Benches of what grows with the catalogue and the history."""
