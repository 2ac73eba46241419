"""Recognises the data set at a path by its files, and opens it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import groupby
from pathlib import Path

from recommender.records.excerpt import shorten
from sources.files.folders import DataFolder, data_folders
from sources.files.limits import DEFAULT_LIMITS, ReadLimits
from sources.layouts import (
    amazon,
    fact_files,
    movielens,
    own_names,
    product_feeds,
    recbole,
    table,
    table_files,
)
from sources.source import Source, SourceError
from sources.tables.columns import Columns
from sources.tables.delimited import NAME_THEM, looks_like_a_row

Finder = Callable[[DataFolder], list[str]]
Reader = Callable[[DataFolder, str], Source]
_FORMATS: tuple[tuple[Finder, Reader], ...] = (
    (movielens.sets_in, movielens.read_source),
    (recbole.sets_in, recbole.read_source),
    (amazon.sets_in, amazon.read_source),
    (own_names.sets_in, own_names.read_source),
    (fact_files.sets_in, fact_files.read_source),
    (product_feeds.sets_in, product_feeds.read_source),
)
_MIND = ("behaviors.tsv", "behaviors.tsv.gz")  # a row is a whole page with its clicks
_NUM_SHOWN = 4


def open_source(
    path: Path, columns: Columns | None = None, *, limits: ReadLimits = DEFAULT_LIMITS
) -> Source:
    """Open the data set at a path, or a table whose columns are named; raise SourceError.

    If folders are nested, the outermost ones with a data set count. More than one data set is
    refused.
    """
    for _, level in groupby(data_folders(path, limits), DataFolder.depth):
        searched = [
            (folder, sets_in(folder), read)
            for folder in level
            for sets_in, read in _formats(columns)
        ]
        # The first format that recognises a file reads it, hence the reversed order.
        found = {
            folder.path_of(file): (folder, file, read)
            for folder, files, read in reversed(searched)
            for file in files
        }
        if len(found) > 1:
            names = ", ".join(sorted(name.removeprefix(f"{path}/") for name in found))
            num_folders = len({folder.path_of("") for folder, _, _ in found.values()})
            remedy = _if_one_table(columns, is_one_folder=num_folders == 1)
            raise SourceError(
                str(path),
                found=names,
                expected=f"one data set; name the file to read{remedy}",
            )
        for folder, file, read in found.values():
            folder.expect_text(file)
            return read(folder, file)
    raise _nothing(path, list(data_folders(path, limits)), columns)


def _formats(columns: Columns | None) -> tuple[tuple[Finder, Reader], ...]:
    if columns is None:
        return _FORMATS
    finder = partial(table_files.sets_in, columns=columns)
    return ((finder, partial(table.read_source, columns=columns)),)


def _if_one_table(columns: Columns | None, *, is_one_folder: bool) -> str:
    """Return what to do with several files that are one table together."""
    if columns is None:
        return ""
    if not is_one_folder:  # such as a table that Hive or Spark partitioned by folder
        return ", or, if together they are one table, put them into one folder and give --parts"
    return "" if columns.is_parts else ", or give --parts if together they are one table"


def _nothing(path: Path, folders: list[DataFolder], columns: Columns | None) -> SourceError:
    """Return the error for a path without a data set, with the reason if one is found."""
    known = (
        f"MovieLens ({movielens.FILES}), RecBole ({recbole.FILES}), "
        f"Amazon Reviews ({amazon.FILES}), {own_names.FILES}, {product_feeds.FILES}, "
        f"{fact_files.FILES}"
    )
    expected = (
        f"one {table_files.FILES} file"
        if columns is not None
        else f"{known}, or any table with --user, --item and --at"
    )
    halves = [
        half
        for folder in folders
        for form in (movielens, amazon)
        if (half := form.half_of(folder)) is not None
    ]
    if halves and columns is None:
        return SourceError(str(path), found=halves[0], expected=expected)
    files = [
        (folder, name)
        for folder in folders
        for name in sorted(folder.names)
        if folder.chosen in (None, name)
    ]
    if mind := next((name for _, name in files if name.lower() in _MIND), None):
        return SourceError(
            str(path),
            found=f"{mind}, MIND's lists of impressions",
            expected="MIND in RecBole's format, with one event per row",
        )
    if len(files) == 1:
        folder, name = files[0]
        folder.expect_text(name)
        lines = folder.first_lines(name, 1)
        if lines and looks_like_a_row(lines[0]):
            expected += f"; if this is a row of a table, {NAME_THEM}"
        return SourceError(
            folder.path_of(name),
            line=1,
            found=shorten(repr(lines[0])) if lines else "an empty file",
            expected=expected,
        )
    names = ", ".join(name for _, name in files[:_NUM_SHOWN]) + (
        f" and {len(files) - _NUM_SHOWN} more" if len(files) > _NUM_SHOWN else ""
    )
    return SourceError(str(path), found=names or "no file", expected=expected)
