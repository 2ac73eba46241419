"""Files and folders that survive a power cut: bytes are synced before a name points to them, and names are synced too.

Knows paths and bytes; does not know what they mean. Torch-free.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, and sync each new name."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        sync(one.parent)


def write_new(chunks: Iterable[bytes], target: Path) -> str:
    """Write and sync a file that must not exist yet; return the sha256 of its bytes, hex.

    The name itself is synced by `move`, which gives the file its final one.
    """
    digest = hashlib.sha256()
    with target.open("xb") as writer:
        for chunk in chunks:
            digest.update(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return digest.hexdigest()


def move(source: Path, target: Path) -> None:
    """Give a synced file or folder its final name, replacing a file that has it; a crash leaves one or the other."""
    make_folder(target.parent)
    source.replace(target)
    sync(target.parent)


def replace_bytes(target: Path, content: bytes) -> None:
    """Replace a file's content in one step; a crash leaves the old content or the new."""
    make_folder(target.parent)
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        write_new([content], unfinished)
        move(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Sync a folder, its files and its folders, whose own name is the caller's to sync."""
    for path in [*folder.rglob("*"), folder]:
        sync(path)
