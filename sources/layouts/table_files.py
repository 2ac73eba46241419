"""Finds the files of a folder that are the table, and reads each by its format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sources.files.blocks import Blocks
from sources.files.folders import DataFolder
from sources.files.magic import PARQUET
from sources.source import Reject, SourceError
from sources.tables import delimited, json_lines, parquet
from sources.tables.columns import Chunk, Columns

FILES = ".csv, .tsv, .jsonl or .parquet"
_TABLES = (
    *PARQUET,
    ".csv",
    ".tsv",
    ".csv.gz",
    ".tsv.gz",
    ".txt",
    ".txt.gz",
    ".tab",
    ".dat",
    ".inter",
    ".inter.gz",
)
_BARE = re.compile(r"part-(?:[mr]-)?\d{5}|\d{6}_\d+")  # Hadoop's and Hive's files without an ending
# Names of Spark, Hadoop, Hive, BigQuery, Snowflake and Redshift for the parts of one result.
_PART = re.compile(r"(^|.*[-_])part[-_]?\d+.*|\d{6}_\d+.*|.*[-_]\d{12}\..*|data_\d+_\d+_\d+\..*")
_DONE = "_SUCCESS"  # Spark and Hadoop write it when all parts are complete
_NUM_SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The files of a table, its columns, and its first rows if they are cheap to read."""

    name: str
    files: Sequence[str]
    names: Sequence[str]
    sample: Sequence[Mapping[str, str]]
    warnings: Sequence[str]


def sets_in(folder: DataFolder, columns: Columns) -> list[str]:
    """Return the tables of a folder with the named columns, or all if none has them.

    Parts of one table are represented by the first.
    """
    candidates = _candidates(folder, columns)
    # If none has them, the error is about the tables: JSON next to a table mostly describes it.
    found = [name for name in candidates if _holds(folder, name, columns)] or _without_json(
        candidates
    )
    return found[:1] if _are_parts(folder, found, columns) else found


def table_of(folder: DataFolder, file: str, columns: Columns) -> Table:
    """Return the table that a file is or begins; raise SourceError.

    It is an error if the file lacks a column, or if its parts have different columns.
    """
    candidates = _candidates(folder, columns)
    holding = [name for name in candidates if _holds(folder, name, columns)]
    files = holding if file in holding and _are_parts(folder, holding, columns) else [file]
    others = [name for name in candidates if name not in files]
    expected = list(columns.by_role().values())
    names, sample = _names_and_sample(folder, file, expected, columns.header)
    for other in files[1:]:
        if len(names) != len(_names_and_sample(folder, other, expected, columns.header)[0]):
            raise SourceError(
                folder.path_of(other),
                found="other columns",
                expected=f"those of {file}, since it is a part of the same table",
            )
    warnings = []
    if others:
        some = ", ".join(others[:_NUM_SHOWN]) + (" and others" if len(others) > _NUM_SHOWN else "")
        warnings.append(f"{some} lacks a named column or is empty, and was left out")
    name = file if len(files) == 1 else f"{files[0]} to {files[-1]}, {len(files)} files"
    return Table(name=name, files=files, names=names, sample=sample, warnings=warnings)


def chunks_of(
    blocks: Blocks, folder: DataFolder, file: str, columns: Columns, rejects: list[Reject]
) -> Iterator[Chunk]:
    """Yield the rows of one file of a table by role."""
    return role_chunks(blocks, folder, file, columns.by_role(), columns.header, rejects)


def role_chunks(
    blocks: Blocks,
    folder: DataFolder,
    file: str,
    roles: Mapping[str, str],
    header: Sequence[str] | None,
    rejects: list[Reject],
) -> Iterator[Chunk]:
    """Yield the rows of any file by role; `roles` gives the column of each role.

    `header` gives the column names of a file without a header.
    """
    path = folder.path_of(file)
    if _is_parquet(file) or json_lines.is_json(folder, file):
        if header is not None:
            raise SourceError(
                path, found="a file whose format has column names", expected="no --header"
            )
        return (
            parquet.chunks(blocks, path, roles)
            if _is_parquet(file)
            else json_lines.chunks(blocks, path, roles, rejects)
        )
    layout = delimited.layout_of(folder, file, list(roles.values()), header)
    return delimited.chunks(blocks, path, layout, roles, rejects)


def column_names(folder: DataFolder, file: str, expected: Sequence[str]) -> Sequence[str]:
    """Return the names of a table's columns; raise SourceError.

    Delimited text must have the `expected` columns, by which its header is found.
    """
    return _names_and_sample(folder, file, expected, None)[0]


def _is_parquet(file: str) -> bool:
    return file.lower().endswith(PARQUET)


def _candidates(folder: DataFolder, columns: Columns) -> list[str]:
    """Return the chosen file, or those whose ending is that of a table or of JSON lines."""
    if folder.chosen is not None:
        return [folder.chosen]
    others = (
        name
        for name in folder.names
        if not name.startswith("_") and not _is_items_file(folder, name, columns)
    )
    names = sorted(name for name in others if folder.packed_bytes(name))
    found = [
        name
        for name in names
        if name.lower().endswith((*_TABLES, *json_lines.ENDINGS)) or _BARE.fullmatch(name)
    ]
    return found if columns.header is None else _without_json(found)


def _without_json(names: list[str]) -> list[str]:
    """Return the names without JSON's endings, or all if there are no others."""
    return [name for name in names if not name.lower().endswith(json_lines.ENDINGS)] or names


def _is_items_file(folder: DataFolder, name: str, columns: Columns) -> bool:
    return (
        columns.items is not None
        and Path(folder.path_of(name)).resolve() == columns.items.path.resolve()
    )


def _are_parts(folder: DataFolder, files: Sequence[str], columns: Columns) -> bool:
    """Return whether several files are parts of one table.

    Either the user says so, or their names are those that a program gives to parts.
    """
    if len(files) < 2 or len({_ending(name) for name in files}) > 1:
        return False
    return (
        columns.is_parts
        or _DONE in folder.names
        or all(_PART.fullmatch(name.lower()) for name in files)
    )


def _ending(name: str) -> str:
    return name.lower().removesuffix(".gz").rpartition(".")[2] if "." in name else ""


def _holds(folder: DataFolder, file: str, columns: Columns) -> bool:
    """Return whether a file has all named columns; true if that can't be known.

    A damaged file does not count. Without a header the columns can't be known.
    """
    if folder.chosen is not None or columns.header is not None:
        return True
    try:
        names = column_names(folder, file, list(columns.by_role().values()))
        has_paths = not _is_parquet(file) and json_lines.is_json(folder, file)
    except SourceError:
        return False
    return all(
        name in names or (has_paths and "." in name and name.partition(".")[0] in names)
        for name in columns.by_role().values()
    )


def _names_and_sample(
    folder: DataFolder, file: str, expected: Sequence[str], header: Sequence[str] | None
) -> tuple[Sequence[str], Sequence[Mapping[str, str]]]:
    if _is_parquet(file):
        return parquet.names_in(folder, file), ()
    if json_lines.is_json(folder, file):
        return json_lines.names_in(folder, file), ()
    layout = delimited.layout_of(folder, file, expected, header)
    return layout.names, layout.sample
