"""Names of files of a snapshot, and of a candidate while it is made. Imports no torch."""

from __future__ import annotations

from pathlib import Path

EVENTS = "events.parquet"  # of a snapshot; each rank reads its shards of it
PROGRESS = "progress.json"
TEXTS = "texts"  # the folder of texts' vectors, where no cache is shared
NEWEST_CHECKPOINT, CHECKPOINT_BEFORE = "newest.safetensors", "before.safetensors"


def partial_of(out: Path) -> Path:
    """Return the folder of the unfinished candidate `out`."""
    return out.with_name(f"{out.name}.partial")


def checkpoints_of(out: Path) -> Path:
    """Return the folder of its checkpoints."""
    return partial_of(out) / "checkpoint"


def last_checkpoint_ns(out: Path) -> int | None:
    """Return when its last checkpoint was written, in nanoseconds; None without one.

    For a moment there is only the one before: its name changes first.
    """
    for name in (NEWEST_CHECKPOINT, CHECKPOINT_BEFORE):
        try:
            return (checkpoints_of(out) / name).stat().st_mtime_ns
        except OSError:
            continue
    return None
