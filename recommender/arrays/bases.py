"""The bases and layers of large arrays: where they are, which of them a file needs, links.

`recommender.arrays.layers` reads and writes the arrays. This file imports no torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

CONTENT = "content"  # the folder of bases and layers; each is named by its sha256
MOVED = ".base"  # ending of the note that has the digest of a moved file
# key in the metadata of a file: digests by array as JSON; several keys would have a random order
BASES = "bases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """Where the bases and layers of a bundle are: in its own folder, or beside the archives."""

    folder: Path
    beside: Path | None = None

    def file(self, digest: str) -> Path:
        """Return the path of a base or layer, which need not exist."""
        own = self.folder / CONTENT / digest
        return own if self.beside is None or own.is_file() else self.beside / digest


def bases_of(file: Path) -> dict[str, tuple[str, ...]]:
    """Return the digests of the base and the layers of each large array of a safetensors file.

    A file from before there were layers has one digest for each array. Raise ValueError for a file
    that is not one, and OSError.
    """
    with file.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        if size > file.stat().st_size:
            raise ValueError(f"{file}: not a safetensors file")
        metadata = json.loads(stream.read(size)).get("__metadata__", {})
    chains = {}
    for name, digests in json.loads(metadata.get(BASES, "{}")).items():
        chains[str(name)] = (digests,) if isinstance(digests, str) else tuple(map(str, digests))
    return chains


def needed_by(file: Path) -> tuple[str, ...]:
    """Return the digests of all bases and layers that a safetensors file needs, sorted."""
    return tuple(sorted({digest for chain in bases_of(file).values() for digest in chain}))


def move_to_base(file: Path) -> None:
    """Move a large file that changes rarely into `content/`, and leave a note of its digest.

    `moved_file` finds it again.
    """
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    (file.parent / CONTENT).mkdir(exist_ok=True)
    file.replace(file.parent / CONTENT / digest)
    file.with_name(file.name + MOVED).write_text(digest, encoding="utf-8")


def moved_file(file: Path, bases: Bases) -> Path:
    """Return where a file is: in its place, or where `move_to_base` put it."""
    note = file.with_name(file.name + MOVED)
    return bases.file(note.read_text(encoding="utf-8")) if note.is_file() else file


def base_names(folder: Path) -> tuple[str, ...]:
    """Return the digests of the bases and layers in a folder's `content/`, sorted."""
    content = folder / CONTENT
    return tuple(sorted(path.name for path in content.iterdir())) if content.is_dir() else ()


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file that never changes a second name, or copy it where the disk allows no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:
        shutil.copyfile(source, target)


def link_tree(source: Path, target: Path) -> None:
    """Give the files of a folder, which never change, second names in a new folder."""
    target.mkdir(parents=True)
    for path in source.rglob("*"):
        if path.is_file():
            link_or_copy(path, target / path.relative_to(source))
