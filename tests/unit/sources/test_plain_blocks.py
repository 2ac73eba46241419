"""Blocks that are cut into columns at once give what reading them row by row gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sources.files.limits import ReadLimits
from sources.formats import open_source
from sources.source import Source
from sources.tables.columns import Columns
from sources.tables.plain_blocks import plain_block
from tests.unit.sources.data_sets import SECONDS

COLUMNS = Columns(user="u", item="i", at="t", rating="r", type="k")
NOT_PLAIN = f'z"z,i,{SECONDS + 99_999},4,view\n'.encode()  # a quote inside a cell
GOOD = f"u0,i0,{SECONDS},,view\n".encode()
CELLS = st.sampled_from(
    [b"u1", b"i2", b"view", b"4.5", b"", b" x ", b"null", b"3.0", b'"q"', b'""', b'"a b"']
    + [b"\xc3\xa9", b"\xe9", b"20260131", b"1e9", b"never", b"2026-01-31"]
    + [str(SECONDS + step).encode() for step in range(3)]
)
ROWS = st.lists(
    st.tuples(st.lists(CELLS, max_size=6), st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=8
)


def read(path: Path, content: bytes, *, block_bytes: int = 1 << 24) -> Source:
    path.write_bytes(b"u,i,t,r,k\n" + GOOD + content)
    return open_source(path, COLUMNS, limits=ReadLimits(block_bytes=block_bytes))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(ROWS)
def test_columns_are_the_cells_of_rows(
    tmp_path: Path, rows: list[tuple[list[bytes], bytes]]
) -> None:
    content = b"".join(b",".join(cells) + end for cells, end in rows)
    content += b"" if content.endswith(b"\n") else b"\n"
    at_once = read(tmp_path / "t.csv", content)
    by_rows = read(tmp_path / "t.csv", content + NOT_PLAIN)
    assert list(at_once.events) == [raw for raw in by_rows.events if raw["user_id"] != 'z"z']
    assert at_once.rejects == by_rows.rejects


@pytest.mark.parametrize("num_rows", [1, 2, 3, 50])
def test_lines_are_counted_through_blocks_of_both_kinds(tmp_path: Path, num_rows: int) -> None:
    row = f"u1,i1,{SECONDS},never,view\n".encode()
    odd = b'x"x' + row + b"too,short\n\n"
    content = (row * num_rows + odd) * 3
    whole = read(tmp_path / "t.csv", content)
    in_blocks = read(tmp_path / "t.csv", content, block_bytes=60)
    assert in_blocks.rejects == whole.rejects
    assert [reject.line for reject in whole.rejects][:num_rows] == [*range(3, 3 + num_rows)]
    assert len(whole.rejects) == 3 * (num_rows + 2)


def test_only_whole_cells_lose_their_quotes() -> None:
    plain = plain_block(b'"a",b\n"c d","1"\n', ",", 2)
    assert plain is not None
    assert plain.good == b"a,b\nc d,1\n"
    for content in (b'"a,b",c\n', b'"a""b",c\n', b'a"b,c\n', b'"a\nb",c\n', b'""\n', b"a\rb,c\n"):
        assert plain_block(content, ",", 2) is None
