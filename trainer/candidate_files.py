"""Where the files of a candidate are while it is made. Imports no torch."""

from __future__ import annotations

from pathlib import Path

PROGRESS = "progress.json"
NEWEST_CHECKPOINT, CHECKPOINT_BEFORE = "newest.safetensors", "before.safetensors"


def partial_of(out: Path) -> Path:
    """Return the folder of the unfinished candidate `out`."""
    return out.with_name(f"{out.name}.partial")


def checkpoints_of(out: Path) -> Path:
    """Return the folder of its checkpoints."""
    return partial_of(out) / "checkpoint"
