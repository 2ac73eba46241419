"""Benches of quality: rankings, ratings, new items, and the value of retraining."""
