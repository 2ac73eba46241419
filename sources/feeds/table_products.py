"""Products of TSV and CSV: one on each row, under a header with the names of the fields."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence

from recommender.records.excerpt import excerpt
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
    for line, cells in _rows(lines, delimiter, line=2, width=len(names)):
        if any(cells):
            yield _product(line, names, cells)


def _rows(
    lines: Iterator[str], delimiter: str, *, line: int, width: int | None = None
) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the first line of each row and its cells; `line` is that of the first row.

    Raise FeedError where a quote does not end its column, since it would swallow other products.
    """
    of_row: list[str] = []
    source = _keep_lines(lines, of_row)
    cells: Sequence[str] | None
    while True:
        line += len(of_row)
        of_row.clear()
        # a reader of its own for each row: after an error, a reader is still inside the quotes
        try:
            cells = next(csv.reader(source, delimiter=delimiter, strict=True), None)
        except csv.Error as error:
            if len(of_row) > 1 or "expected after" not in str(error):
                raise _unreadable(line, str(error)) from error
            cells = _stray_cells(of_row[0], delimiter)
        if cells is None:
            return
        if len(of_row) > 1 and all(len(one.split(delimiter)) == width for one in of_row):
            raise _unreadable(line, "two stray quotes join whole rows")
        yield line, cells


def _keep_lines(lines: Iterator[str], of_row: list[str]) -> Iterator[str]:
    for line in lines:
        of_row.append(line)
        # a carriage return inside a row is a blank: csv would take it for the row's end
        yield line.rstrip("\r\n").replace("\r", " ") + "\n"


def _stray_cells(line: str, delimiter: str) -> Sequence[str]:
    """Return the cells of a line in which text follows a quoted part, as in `"Best" lamp`.

    Between tabs, programs write quotes as ordinary characters.
    """
    text = line.rstrip("\r\n").replace("\r", " ")
    return text.split("\t") if delimiter == "\t" else next(csv.reader([text], delimiter=delimiter))


def _unreadable(line: int, why: str) -> FeedError:
    found = f"a row that can't be read ({why})"
    return FeedError(line=line, found=found, expected="closed quotes")


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
