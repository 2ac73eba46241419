"""Simulated visitors of a shop, for trying experiments: what they like and what they click."""
