"""Files that survive a power cut: after it, a file has its old content or its new one.

The bytes are synced before a name points to them, and then the name is synced. Imports no torch.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
    """Write and sync a file that must not exist yet; return the sha256 of its bytes in hex.

    The file's name is not synced: `move` does that when it gives the file its final name.
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
    """Rename a synced file or folder, replacing a file of that name in one step."""
    make_folder(target.parent)
    source.replace(target)
    sync(target.parent)


@contextmanager
def replacing(target: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield the path of a new file beside `target`, which replaces it when the block succeeds.

    When the block raises, the new file is deleted and `target` is unchanged. With `durable` False
    nothing is synced: readers still see whole files only, but a power cut may lose the content.
    """
    make_folder(target.parent)
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield unfinished
        if durable:
            sync(unfinished)
            move(unfinished, target)
        else:
            unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def replace_bytes(target: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace the content of a file in one step, as `replacing` does."""
    with replacing(target, durable=durable) as unfinished:
        unfinished.write_bytes(content)


def replace_text(target: Path, text: str, *, durable: bool = True) -> None:
    """Replace the content of a UTF-8 text file in one step, as `replacing` does."""
    replace_bytes(target, text.encode(), durable=durable)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Sync a folder and everything in it, but not the folder's own name in its parent."""
    for path in [*folder.rglob("*"), folder]:
        sync(path)


def sha256_of(file: Path) -> str:
    """Return the sha256 of a file's bytes in hex, reading in blocks."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
