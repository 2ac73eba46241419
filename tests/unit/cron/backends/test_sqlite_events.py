"""The backlog of a log in SQLite, counted without reading all of a long one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from cron.backends.sqlite.events import MOST_COUNTED, SqliteEventLog
from cron.ports import START
from tests.contracts.records import event

_FILL = """
WITH RECURSIVE numbers(number) AS (SELECT 4 UNION ALL SELECT number + 1 FROM numbers LIMIT ?)
INSERT INTO records SELECT number, 'filled ' || number, '' FROM numbers
"""


def test_a_long_backlog_is_counted_by_its_positions(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    log = SqliteEventLog(path)
    log.append([event(number) for number in range(3)])
    second = log.read(START, 2).cursor
    assert (log.backlog(START), log.backlog(second)) == (3, 1)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(_FILL, (MOST_COUNTED,))
    assert (log.backlog(START), log.backlog(second)) == (MOST_COUNTED + 3, MOST_COUNTED + 1)
    log.trim(second)
    assert log.backlog(START) == MOST_COUNTED + 1, "trimmed positions do not count"
