"""What the visitors of experiments were shown and did, by day: read once, added, measured."""
