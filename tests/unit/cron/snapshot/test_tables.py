"""The events of a snapshot can be divided among the ranks of a training."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cron.snapshot.tables import MOST_ROWS_IN_GROUP, SnapshotTables
from trainer.data.event_file import EventFile


def test_no_user_is_in_two_row_groups(tmp_path: Path) -> None:
    users = [f"u{number:04}" for number in range(1_000) for _ in range(1 + number % 7)]
    with SnapshotTables(tmp_path) as tables:
        tables.add("events", pa.table({"user_id": users}))
    file = EventFile.local(tmp_path / "events.parquet")
    shares = [file.share(rank, 3).column("user_id").to_pylist() for rank in range(3)]
    assert [user for share in shares for user in share] == users
    assert min(map(len, shares)) > len(users) / 4
    assert sum(len({*share}) for share in shares) == 1_000


def test_one_user_with_many_events_is_one_row_group(tmp_path: Path) -> None:
    num_rows = 3 * MOST_ROWS_IN_GROUP
    with SnapshotTables(tmp_path) as tables:
        tables.add("events", pa.table({"user_id": pa.repeat("u", num_rows)}))
    found = pq.ParquetFile(tmp_path / "events.parquet").metadata
    assert (found.num_row_groups, found.num_rows) == (1, num_rows)
