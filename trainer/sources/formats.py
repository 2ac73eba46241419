"""Which publisher's format lies at a path: asked one after the other, the first that knows its files reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trainer.sources import amazon, movielens, recbole, table
from trainer.sources.files import DataFolder, data_folders
from trainer.sources.source import Source, SourceError
from trainer.sources.table import Columns

_READERS: tuple[Callable[[DataFolder], Source | None], ...] = (movielens.read, recbole.read, amazon.read)


def open_source(path: Path, columns: Columns | None = None) -> Source:
    """Open the data set at a path, recognised by its files, or any table whose columns are named; raise SourceError."""
    half = None
    for folder in data_folders(path):
        half = half or movielens.half_of(folder)
        if columns is not None:
            if (source := table.read(folder, columns)) is not None:
                return source
            continue
        for read in _READERS:
            if (source := read(folder)) is not None:
                return source
    if columns is not None:
        raise SourceError(str(path), found="no table", expected=f"one {table.FILES} file")
    known = f"MovieLens ({movielens.FILES}), RecBole ({recbole.FILES}), Amazon Reviews ({amazon.FILES})"
    found = half or "none of the files of a known data set"
    raise SourceError(str(path), found=found, expected=f"{known}, or any table with --user, --item and --at")
