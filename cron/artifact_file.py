"""Artifacts' names and their files on a local disk: what every artifact store does alike, whatever lies behind it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

CHUNK_BYTES = 1 << 20


def check_name(name: str) -> tuple[str, ...]:
    """Return the parts of an artifact's name; raise ValueError for one that could lead out of a folder or hide in it."""
    parts = tuple(name.split("/"))
    if PurePosixPath(name).is_absolute() or any(not part or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
        raise ValueError(f"artifact name {name!r}: expected relative parts joined by /, none of them empty or starting with a dot")
    return parts


def is_name(name: str) -> bool:
    """Tell whether an artifact may have this name."""
    try:
        check_name(name)
    except ValueError:
        return False
    return True


def sha256_of(file: Path) -> str:
    """Return the sha256 of a file's bytes, hex."""
    with file.open("rb") as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest()


def write_durably(chunks: Iterable[bytes], target: Path) -> str:
    """Write a new file and wait for the disk; return the sha256 of its bytes, hex."""
    digest = hashlib.sha256()
    with target.open("xb") as writer:
        for chunk in chunks:
            digest.update(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return digest.hexdigest()


def move_durably(source: Path, target: Path) -> None:
    """Give a file its final name, replacing what has it; a crash leaves one or the other."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
