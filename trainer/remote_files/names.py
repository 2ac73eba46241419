"""The names of a training's files in a store. Imports no torch."""

from __future__ import annotations

SNAPSHOT, CANDIDATE = "snapshot", "candidate"
CONFIG = "config.json"
REPORT = f"{CANDIDATE}/report.json"  # is stored last
SENT = "sent"  # its content names the sending: machines that have it need not fetch again
CHECKPOINTS = "checkpoint"


def checkpoint_name(number: int) -> str:
    """Return the name of a training's checkpoint; a later number comes later among names."""
    return f"{CHECKPOINTS}/{number:09d}.safetensors"


def checkpoint_number(name: str) -> int:
    """Return the number in the name of a checkpoint."""
    return int(name.removeprefix(f"{CHECKPOINTS}/").removesuffix(".safetensors"))
