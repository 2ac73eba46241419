"""Rows of tables with the columns head, relation and tail: RecBole's `.kg`, CSV and TSV."""

from __future__ import annotations

import csv
from dataclasses import dataclass

RECBOLE = (".kg", ".kg.gz")
TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_NAMES = (
    frozenset({"head", "head_id", "subject"}),
    frozenset({"relation", "relation_id", "predicate"}),
    frozenset({"tail", "tail_id", "object"}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The columns of head, relation and tail, how many columns there are, and the separator."""

    head: int
    relation: int
    tail: int
    num_columns: int
    separator: str


def places_of(file: str, header: str) -> Places | None:
    """Return the places of the columns that a header names; None if it has not all three."""
    name = file.lower()
    if not name.endswith((*RECBOLE, *TABLES)):
        return None
    separator = "," if name.endswith((".csv", ".csv.gz")) else "\t"
    cells = [cell.partition(":")[0].strip().lower() for cell in _cells(header, separator)]
    found = [[at for at, cell in enumerate(cells) if cell in names] for names in _NAMES]
    if any(len(places) != 1 for places in found):
        return None
    (head,), (relation,), (tail,) = found
    return Places(
        head=head, relation=relation, tail=tail, num_columns=len(cells), separator=separator
    )


def read_row(row: str, places: Places) -> tuple[str, str, str] | None:
    """Return the triple of a row; None if it has another number of columns."""
    cells = _cells(row, places.separator)
    if len(cells) != places.num_columns:
        return None
    return cells[places.head].strip(), cells[places.relation].strip(), cells[places.tail].strip()


def _cells(row: str, separator: str) -> list[str]:
    if separator == "\t":
        return row.split("\t")
    return next(csv.reader([row]), [])
