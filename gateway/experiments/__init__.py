"""Experiments: which arm a visitor is in, and what the arms' answers took."""
