"""Snapshots: which events a run trains on and is judged by, written as files for the trainer."""
