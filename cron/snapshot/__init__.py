"""Snapshots: the events that a run trains on and is judged by, as files for the trainer."""
