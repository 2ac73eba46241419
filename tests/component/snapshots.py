"""A journal of known events, and the snapshot that tests ask of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from cron.journal.journal import Journal
from cron.ports import Cursor
from cron.snapshot.judged import Need
from cron.snapshot.limits import Limits
from cron.snapshot.panel import Panel
from cron.snapshot.pools import PoolSizes
from cron.snapshot.request import SnapshotRequest
from cron.snapshot.snapshot import SnapshotInfo
from tests.component.house import House
from tests.contracts.records import event
from trainer.config import TrainConfig

SHARE = 0.2
WHOLE = Panel(share=SHARE)
USERS = [f"user {number}" for number in range(30)]
PANEL = {user for user in USERS if WHOLE.holds(user)}
NUM_EVENTS = 600
EVENTS = [
    event(number, user_id=USERS[number % 30], item_id=f"i{number % 7}")
    for number in range(1, NUM_EVENTS + 1)
]  # journal number = event number
REQUEST = SnapshotRequest(
    mode="update",
    target_range=(501, 600),
    items_through=NUM_EVENTS,
    panel=WHOLE,
    replay_ratio=2.0,
    max_history=5,
    need=Need(min_users=4, min_events=20, max_item_share=1.0),
    limits=Limits(user_share=0.01, item_share=0.1),
    positive_types=TrainConfig().positive_types,
)

SMALL = PoolSizes(whole_up_to=0, newest=64, num_stretches=4, drawn=20, users_at_once=3)

Row = dict[str, object]
Build = Callable[[Journal, SnapshotRequest, Path], SnapshotInfo]


def fill(house: House) -> None:
    """Accept `EVENTS` in three segments."""
    for begin in range(0, NUM_EVENTS, 200):
        house.journal.accept(EVENTS[begin : begin + 200], Cursor("0"), house.lease)


def rows(folder: Path, file: str, role: str | None = None) -> list[Row]:
    found: list[Row] = pq.read_table(folder / file).to_pylist()
    return [row for row in found if role is None or row["role"] == role]


def numbers(folder: Path, file: str, role: str | None = None) -> set[object]:
    return {row["seq"] for row in rows(folder, file, role)}
