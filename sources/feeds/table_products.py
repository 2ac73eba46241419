"""Products of TSV and CSV: one on each row, under a header with the names of the fields."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence

from recommender.excerpt import excerpt
from sources.feeds.product import ITEM_FIELDS, FeedError, FeedProduct, field_name, split_cell
from sources.feeds.text_lines import text_lines

_DELIMITERS = ("\t", ",", ";")
EXPECTED = "a header with at least the columns id and title"


def table_products(blocks: Iterable[bytes]) -> Iterator[FeedProduct]:
    """Yield the products of a table; raise FeedError when it can't be read on.

    Text is UTF-8, or else Windows-1252. Cells that are missing at the end of a row are empty.
    """
    lines = text_lines(blocks)
    header = next(lines, "")
    delimiter = max(_DELIMITERS, key=header.count)
    names = _names(header, delimiter)
    if not _are_of_items(names):
        raise FeedError(line=1, found=excerpt(header.rstrip("\r\n")), expected=EXPECTED)
    for line, cells in _rows(lines, delimiter, line=2):
        if any(cells):
            yield _product(line, names, cells)


def _rows(
    lines: Iterator[str], delimiter: str, *, line: int
) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the first line of each row and its cells; `line` is that of the first row."""
    rows, start = csv.reader(lines, delimiter=delimiter), line
    while True:
        try:
            cells = next(rows, None)
        except csv.Error as error:
            raise FeedError(
                line=start, found=f"a row that can't be read ({error})", expected="closed quotes"
            ) from error
        if cells is None:
            return
        yield start, cells
        start = line + rows.line_num


def has_header(line: str) -> bool:
    """Return whether a first line names the columns of items, and not those of events."""
    try:
        return _are_of_items(_names(line, max(_DELIMITERS, key=line.count)))
    except FeedError:
        return False


def _names(header: str, delimiter: str) -> Sequence[str]:
    return [field_name(cell) for _, row in _rows(iter([header]), delimiter, line=1) for cell in row]


def _are_of_items(names: Sequence[str]) -> bool:
    has_id = any(name in names for name in ITEM_FIELDS["item_id"])
    return has_id and "title" in names and not {"user_id", "user"} & set(names)


def _product(line: int, names: Sequence[str], cells: Sequence[str]) -> FeedProduct:
    if len(cells) > len(names):
        problem = (f"{len(cells):,} cells", f"at most {len(names):,}, as in the header")
        return FeedProduct(line=line, fields={"row": tuple(cells)}, problem=problem)
    fields: dict[str, Sequence[str]] = {}
    for name, cell in zip(names, cells, strict=False):
        values = split_cell(name, cell.strip())
        if values and name:
            fields[name] = (*fields.get(name, ()), *values)
    return FeedProduct(line=line, fields=fields)
