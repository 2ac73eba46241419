"""Names of artifacts: the same rules for every artifact store."""

from __future__ import annotations

from pathlib import PurePosixPath

CHUNK_BYTES = 1 << 20
TRAININGS = "trainings"  # a folder for each run whose files travel through the store


def check_name(name: str) -> tuple[str, ...]:
    """Return the parts of an artifact's name.

    Raise ValueError for a name that could lead out of the store's folder or be hidden in it.
    """
    parts = tuple(name.split("/"))
    if PurePosixPath(name).is_absolute() or any(
        not part or part.startswith(".") or "\\" in part or "\0" in part for part in parts
    ):
        raise ValueError(
            f"artifact name {name!r}: expected relative parts joined by /,"
            " none of them empty or starting with a dot"
        )
    return parts


def is_name(name: str) -> bool:
    """Return whether an artifact may have this name."""
    try:
        check_name(name)
    except ValueError:
        return False
    return True
