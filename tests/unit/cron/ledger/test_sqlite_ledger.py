"""The ledger in an SQLite file: what only SQLite does."""

from __future__ import annotations

from pathlib import Path

import pytest

from cron.errors import SettingsError, Unavailable
from cron.ledger import metric_rows
from cron.ledger.ledger import open_ledger


def test_a_full_or_unusable_disk_makes_the_ledger_unavailable(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    with ledger.read() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # no room for another page
    with pytest.raises(Unavailable, match=r"the ledger at .* full"):
        metric_rows.set_gauge(ledger, "x" * 1_000_000, 1.0)
    ledger.close()
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="the ledger at"):
        open_ledger(f"sqlite:///{tmp_path}/file/ledger.db")


def test_a_ledger_in_memory_or_nowhere_or_elsewhere_is_refused() -> None:
    for url in ("sqlite://", "not a url", "mysql://me@host/db"):
        with pytest.raises(SettingsError, match="for example sqlite"):
            open_ledger(url)
