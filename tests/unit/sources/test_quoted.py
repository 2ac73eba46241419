"""CSV with quotes: a bad quote rejects only the line on which it opens."""

from __future__ import annotations

import io

import pytest

from sources.files.decoding import as_text
from sources.tables import quoted
from sources.tables.quoted import CsvRow, csv_rows

HEADER = "u,i,t,ti\n"
OPEN = (2, "a quote that does not end its column")


def read_rows(text: str) -> tuple[list[str], list[tuple[int, str]]]:
    """Return the users of the rows, and line and reason of each reject."""
    lines = map(as_text, io.BytesIO(text.encode()))
    rows = list(csv_rows(lines, "shop/x.csv", expected=["u", "ti"]))
    return [row.cells[0] for row in rows if isinstance(row, CsvRow)], [
        (row.line, row.reason) for row in rows if not isinstance(row, CsvRow)
    ]


@pytest.mark.parametrize(
    "rows",
    [
        # the quote of 5" would join three rows into one cell
        '1,2,3,"Open\n2,3,4,a\n3,4,5,5"\n4,5,6,c\n',
        # the next quote can't end this one
        '1,2,3,"Open\n2,3,4,a\n3,4,5,b\n4,5,6,"q"\n',
        '1,2,3,"a, b" c\n2,3,4,a\n3,4,5,b\n4,5,6,c',
        '1,2,3,"Open\n2,3,4,a\n3,4,5,b\n4,5,6,c\n',  # up to the end of the file
    ],
)
def test_a_bad_quote_rejects_only_its_line(rows: str) -> None:
    assert read_rows(HEADER + rows) == (["2", "3", "4"], [OPEN])


def test_a_quote_opened_in_every_line_rejects_every_line() -> None:
    users, rejects = read_rows(HEADER + '1,2,3,"x\n' * 1000 + "2,3,4,b\n")
    assert users == ["2"]
    assert rejects == [(line, OPEN[1]) for line in range(2, 1002)]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (HEADER + '1,2,3,"Big\nTitle"\n2,3,4,b\n', "Big\nTitle"),
        (HEADER + '1,2,3,"Big, old\n\nTitle, a, b"\n2,3,4,b\n', "Big, old\n\nTitle, a, b"),
        ('ti,u,i,t\n"Big\nTitle",1,2,3\nb,2,3,4\n', "Big\nTitle"),
        ('u,ti,i,t\n1,"a\nb,c,d,e\nf",2,3\n2,b,3,4\n', "a\nb,c,d,e\nf"),
        (HEADER + '1,2,3,"say ""no"""\n2,3,4,b\n', 'say "no"'),
    ],
)
def test_a_text_over_several_lines_is_one_cell(text: str, title: str) -> None:
    rows = [
        row
        for row in csv_rows(io.StringIO(text, newline="\n"), "x.csv", expected=["u", "ti"])
        if isinstance(row, CsvRow)
    ]
    assert [row.cells for row in rows] == [["1", title], ["2", "b"]]


def test_other_faults_are_not_reported_as_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_rows(HEADER + "1,2,3\r,a\n2,3,4,b\r\n") == (
        ["2"],
        [(2, "a carriage return inside the row")],
    )
    long = "x" * (quoted._CELL_CHARACTERS + 1)
    assert read_rows(f'{HEADER}1,2,3,"{long}"\n2,3,4,b\n') == (
        ["2"],
        [(2, "a column of over 1,048,576 characters")],
    )
