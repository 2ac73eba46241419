"""Collect events, start training, and decide which model is live."""
