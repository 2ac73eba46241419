"""A child process kills itself after each step of collecting; another one continues."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from cron.journal.collect import collect
from cron.journal.journal import Journal
from cron.journal.segments import records_of
from cron.ledger import journal_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.ports import ArtifactStore, Cursor
from tests.component.house import open_house
from tests.contracts.records import START_AT, event, item, start_process

FAR = datetime(2100, 1, 1, tzinfo=UTC)


class DyingStore:
    """The folder store in a process that ends before or after a put."""

    def __init__(self, store: ArtifactStore, place: str) -> None:
        self._store = store
        self._place = place
        self.fetch, self.url, self.names, self.delete = (
            store.fetch,
            store.url,
            store.names,
            store.delete,
        )
        self.folder = store.folder

    def put(self, name: str, file: Path) -> str:
        """Die before or after."""
        die_at("before put", self._place)
        sha256 = self._store.put(name, file)
        die_at("after put", self._place)
        return sha256


class DyingLedger(Ledger):
    """The ledger in a process that ends before or after a commit."""

    place = ""
    change = "commit"

    @contextmanager
    def write(self, lease: Lease | None = None) -> Iterator[sa.Connection]:
        """Die before or after."""
        die_at(f"before {self.change}", self.place)
        with super().write(lease) as connection:
            yield connection
        die_at(f"after {self.change}", self.place)


WORK_AND_DIE = """
import sys
from pathlib import Path
from tests.component.test_journal_deaths import work_and_die
work_and_die(Path(sys.argv[1]), sys.argv[2])
"""


def die_at(here: str, place: str) -> None:
    if here == place:
        os.kill(os.getpid(), signal.SIGKILL)


def work_and_die(folder: Path, place: str) -> None:
    """In the child process: collect, then compact, until the place is reached."""
    house = open_house(folder)
    ledger = DyingLedger(house.ledger.engine)
    ledger.place = place
    journal = Journal(ledger, DyingStore(house.artifacts, place), folder / "journal")
    collect(house.log, journal, ledger, house.lease, limit=10)
    ledger.change = "drop"
    journal.compact_and_drop(older_than=FAR, needed_from=1_000_000, lease=house.lease)


def killed_process(folder: Path, place: str) -> None:
    process = start_process(WORK_AND_DIE, str(folder), place)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL, errors


@pytest.mark.parametrize(
    ("place", "times"),
    [("before put", 1), ("after put", 1), ("before commit", 1), ("after commit", 2)],
)
def test_a_death_in_mid_collection_loses_and_doubles_nothing(
    tmp_path: Path, place: str, times: int
) -> None:
    house = open_house(tmp_path)
    sent = [event(number) for number in range(30)]
    house.log.append(sent)
    for _ in range(times):
        killed_process(tmp_path, place)
    again = open_house(tmp_path)
    assert again.collect()[2] == 0, "a cursor that lags behind its segment"
    table = again.journal.read(1, again.journal.last_seq)
    assert table["seq"].to_pylist() == list(range(1, 31))
    assert records_of(table) == sent
    assert again.journal.accept(sent, Cursor("9"), again.lease).num_duplicates == 30


@pytest.mark.parametrize("place", ["before drop", "after drop"])
def test_a_death_in_mid_compaction_forgets_nothing(tmp_path: Path, place: str) -> None:
    house = open_house(tmp_path)
    house.log.append([item(0, "a"), *(event(number) for number in range(9))])
    killed_process(tmp_path, place)
    again = open_house(tmp_path)
    again.journal.compact_and_drop(older_than=FAR, needed_from=1_000_000, lease=again.lease)
    assert again.records() == [item(0, "a")]
    assert list(again.artifacts.names()) == [
        segment.name for segment in journal_rows.segments(again.ledger)
    ]
    assert (
        again.journal.accept(
            [event(number) for number in range(9)], Cursor("9"), again.lease
        ).num_duplicates
        == 9
    )


def test_a_segment_that_was_put_and_never_committed_is_swept(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    house.log.append([event(number) for number in range(10)])
    killed_process(tmp_path, "after put")
    again = open_house(tmp_path)
    again.log.append([event(number) for number in range(10, 20)])
    again.collect()  # other bytes under the same first number
    assert len(again.artifacts.names()) == 2
    again.journal.compact_and_drop(older_than=START_AT, needed_from=0, lease=again.lease)
    assert list(again.artifacts.names()) == [
        segment.name for segment in journal_rows.segments(again.ledger)
    ]
