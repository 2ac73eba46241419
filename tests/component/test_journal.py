"""Journal, collect and follow on the embedded back ends."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cron.errors import ArtifactCorrupt, LeaseLost, LogGap
from cron.journal.collect import bury, collect
from cron.journal.compaction import NUM_MERGED
from cron.journal.dead_letters import DeadLetters
from cron.journal.follow import follow_once
from cron.journal.journal import Journal
from cron.journal.segments import read, records_of, table_of, write
from cron.ledger import journal_rows
from cron.ports import START, Appended, Batch, Cursor, Rejected
from recommender.records.event_details import EventDetails
from recommender.records.events import (
    EventLines,
    Item,
    LogRecord,
    Record,
    without_picture_bytes,
)
from recommender.records.images import artifact_of
from tests.component.house import HookedArtifacts, House, accept, open_house
from tests.contracts.records import DETAILS, START_AT, event, item

FAR = datetime(2100, 1, 1, tzinfo=UTC)


def test_accepted_records_are_numbered_in_their_order(house: House) -> None:
    records: list[Record] = [
        event(2),
        item(1, "i", attributes={"genre": ("a", "b"), "year": 1995.0}),
        replace(event(1), rating=0.1, type="rating"),
    ]
    assert (house.journal.first_seq, house.journal.last_seq) == (1, 0)
    accept(house, records)
    accept(house, [event(3)])
    table = house.journal.read(1, 4)
    assert table["seq"].to_pylist() == [1, 2, 3, 4]
    assert records_of(table) == [*records, event(3)]
    assert (house.journal.first_seq, house.journal.last_seq) == (1, 4)


def test_details_are_kept_beside_segments_without_them(house: House) -> None:
    bought = replace(event(2, type_="purchase"), details=DETAILS)
    shown = replace(event(3), details=EventDetails(recommendation_id="r"))
    accept(house, [event(1), item(1, "i")])
    accept(house, [event(4), bought, shown])
    table = house.journal.read(1, 5)
    assert records_of(table) == [event(1), item(1, "i"), event(4), bought, shown]
    assert house.journal.read(2, 4, columns=["value"])["value"].to_pylist() == [None, None, 59.8]


def test_a_file_has_columns_for_the_details_of_its_events_only(tmp_path: Path) -> None:
    """Segments without details are the same bytes as those of earlier releases."""
    path = tmp_path / "segment.parquet"
    write(table_of([event(1), item(1, "i")], first_seq=1), path)
    assert pq.read_schema(path).names[-1] == "payload"
    timed = replace(event(2), details=EventDetails(dwell_s=3.0))
    write(table_of([event(1), timed], first_seq=1), path)
    assert pq.read_schema(path).names[-2:] == ["payload", "dwell_s"]
    assert records_of(read(path)) == [event(1), timed]


def test_a_range_is_read_and_counted_across_segments(house: House) -> None:
    for begin in range(0, 30, 10):
        accept(
            house,
            [item(begin, f"i{begin}"), *(event(number) for number in range(begin + 1, begin + 10))],
        )
    assert house.journal.read(9, 22)["seq"].to_pylist() == list(range(9, 23))
    assert house.journal.read(9, 22, columns=["event_id"]).column_names == ["event_id"]
    assert house.journal.read(31, 40).num_rows == 0
    counts = house.journal.count(9, 22)
    assert (counts.events, counts.items) == (12, 2)
    counts = house.journal.count(1, 30)
    assert (counts.events, counts.items) == (27, 3)


def test_a_segment_says_what_it_holds(house: House) -> None:
    accept(house, [event(5), event(9), item(7, "i")])
    (segment,) = journal_rows.segments(house.ledger)
    assert (segment.first_seq, segment.last_seq, segment.num_events, segment.num_items) == (
        1,
        3,
        2,
        1,
    )
    assert segment.last_at == START_AT + timedelta(seconds=9)
    assert segment.name in house.artifacts.names()


def test_the_same_event_id_counts_once(house: House) -> None:
    accept(house, [event(1), event(2), event(1)])
    accepted = house.journal.accept(
        [event(2), event(3), replace(event(1), user_id="other")], Cursor("9"), house.lease
    )
    assert (accepted.num_events, accepted.num_duplicates) == (1, 2)
    accepted = house.journal.accept([event(2)], Cursor("10"), house.lease)
    assert accepted.segment is None
    assert journal_rows.log_cursor(house.ledger) == "10"
    assert house.records() == [event(1), event(2), event(3)]


def test_a_damaged_copy_is_fetched_again_from_the_store(house: House, tmp_path: Path) -> None:
    accept(house, [event(1)])
    (segment,) = journal_rows.segments(house.ledger)
    (local,) = (tmp_path / "journal" / "segments").iterdir()
    local.write_bytes(b"damaged")
    assert house.records() == [event(1)]
    (tmp_path / "archives" / segment.name).write_bytes(b"damaged")
    local.unlink()
    with pytest.raises(ArtifactCorrupt):
        house.records()


def test_a_segment_replaced_with_its_digest_is_not_read(house: House, tmp_path: Path) -> None:
    """Somebody who can write to the store can change both; the ledger has the true digest."""
    accept(house, [event(1)])
    (segment,) = journal_rows.segments(house.ledger)
    write(table_of([event(2)], first_seq=1), tmp_path / "other")
    house.artifacts.delete(segment.name)
    house.artifacts.put(segment.name, tmp_path / "other")
    shutil.rmtree(tmp_path / "journal" / "segments")
    with pytest.raises(ArtifactCorrupt, match=segment.name):
        house.records()


def test_a_copy_deleted_by_a_merge_is_fetched_again(house: House, tmp_path: Path) -> None:
    """The cycle's thread merges and sweeps right after the follower fetched the copy."""
    records = [event(number) for number in range(NUM_MERGED)]
    for one in records:
        accept(house, [one])
    copies = tmp_path / "journal" / "segments"
    shutil.rmtree(copies)
    merged: list[str] = []

    def merge_once(segment: str) -> None:
        if not merged:
            merged.append(segment)
            assert house.journal.merge_small(house.lease) == NUM_MERGED
            assert not (copies / Path(segment).name).exists()

    artifacts = HookedArtifacts(house.artifacts, after_fetch=merge_once)
    reader = Journal(house.ledger, artifacts, tmp_path / "journal")
    assert records_of(reader.read(1, NUM_MERGED)) == records
    assert merged


def test_a_batch_opens_no_old_segment_so_its_cost_stays_flat(house: House, tmp_path: Path) -> None:
    for number in range(3):
        accept(house, [event(number)])
    for name in house.artifacts.names():
        house.artifacts.delete(name)
    shutil.rmtree(tmp_path / "journal" / "segments")
    assert (
        house.journal.accept(
            [event(0), event(2), event(9)], Cursor("9"), house.lease
        ).num_duplicates
        == 2
    )


def test_a_picture_in_a_record_becomes_an_artifact(house: House, tmp_path: Path) -> None:
    """The log has the bytes; the journal has a name, and the store the bytes under it."""
    content = b"\x89PNG\r\n\x1a\n and the rest"
    inline = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    sent = replace(item(1, "i"), images=(inline, "https://shop.example/a.jpg"))
    house.log.append([sent])
    house.collect()
    (kept,) = house.records()
    assert isinstance(kept, Item)
    assert kept.images[1] == "https://shop.example/a.jpg"
    house.artifacts.fetch(str(artifact_of(kept.images[0])), tmp_path / "picture")
    assert (tmp_path / "picture").read_bytes() == content
    assert kept == without_picture_bytes(sent)


def test_a_worker_that_lost_its_lease_adds_nothing(house: House, tmp_path: Path) -> None:
    house.log.append([event(1)])
    other = open_house(tmp_path)  # the same holder's next life
    with pytest.raises(LeaseLost):
        house.collect()
    assert other.collect() == (1, 0, 0)
    assert other.records() == [event(1)]


def test_collect_brings_everything_once(house: House) -> None:
    house.log.append([item(0, "i"), *(event(number) for number in range(25_000))])
    assert house.collect() == (25_000, 1, 0)
    assert house.collect() == (0, 0, 0)
    assert len(journal_rows.segments(house.ledger)) == 3
    house.log.append([event(30_000)])
    assert house.collect() == (1, 0, 0)


def test_collect_stops_at_its_limit(house: House) -> None:
    house.log.append([event(number) for number in range(50)])
    assert collect(house.log, house.journal, house.ledger, house.lease, limit=20).num_events == 20
    assert house.collect() == (30, 0, 0)
    assert [record.event_id for record in house.records()] == [
        event(number).event_id for number in range(50)
    ]


def test_what_comes_again_after_a_trim_is_still_a_duplicate(house: House) -> None:
    house.log.append([event(1), event(2)])
    house.collect()
    house.log.trim(journal_rows.log_cursor(house.ledger))
    house.log.append([event(1), event(3)])
    assert house.collect() == (1, 0, 1)


def test_the_log_is_trimmed_behind_the_slower_reader(house: House) -> None:
    house.log.append([event(number) for number in range(10)])
    house.collect()
    house.log.trim(journal_rows.log_cursor(house.ledger), house.histories.cursor())
    assert house.log.backlog(START) == 10  # the follower has not begun
    follow_once(house.log, house.histories, limit=4)
    house.log.trim(journal_rows.log_cursor(house.ledger), house.histories.cursor())
    assert house.log.backlog(START) == 6
    assert follow_once(house.log, house.histories) == 6
    assert follow_once(house.log, house.histories) == 0


class ForeignLog:
    """A log with foreign entries: every third of thirty is invalid, and so are the last five."""

    def append(self, records: Sequence[LogRecord]) -> Appended:
        raise AssertionError("a collection only reads")

    def append_lines(self, events: EventLines) -> Appended:
        raise AssertionError("a collection only reads")

    def read(self, after: Cursor, limit: int) -> Batch:
        first = int(after or 0)
        places = range(first, min(first + limit, 30))
        bad = [place for place in places if place % 3 == 0 or place >= 25]
        return Batch(
            records=tuple(event(place) for place in places if place not in bad),
            cursor=Cursor(str(places.stop)) if places else after,
            rejected=tuple(
                Rejected(source=f"topic@{place}", reason="no JSON", raw="{") for place in bad
            ),
        )

    def give_up(self, after: Cursor) -> Cursor:
        return after

    def backlog(self, after: Cursor) -> int:
        return 30 - int(after or 0)

    def trim(self, *before: Cursor) -> None:
        raise AssertionError("a collection only reads")


def test_an_invalid_record_is_buried_once_and_stops_nobody(house: House, tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "dead.jsonl")
    log = ForeignLog()

    def dies(batch: Batch) -> None:
        bury(letters, batch.rejected, at=FAR)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(log, house.journal, house.ledger, house.lease, limit=10, show=dies)
    assert len(letters.newest(100)) == 4
    for limit in (10, 15, None):  # what is left for the third holds no record at all
        collected = collect(
            log,
            house.journal,
            house.ledger,
            house.lease,
            limit=limit,
            show=lambda batch: bury(letters, batch.rejected, at=FAR),
        )
    assert (collected.num_events, collected.num_rejected) == (0, 5)
    assert house.records() == [event(place) for place in range(25) if place % 3]
    assert [letter.source for letter in letters.newest(100)] == [
        f"topic@{place}" for place in range(30) if place % 3 == 0 or place >= 25
    ]
    while follow_once(log, house.histories, limit=7):
        pass
    assert len(house.histories.recent("u", 100)) == 16
    assert house.histories.cursor() == "30"


def test_a_letter_that_cannot_be_kept_stops_no_collection(house: House, tmp_path: Path) -> None:
    (tmp_path / "dead.jsonl").mkdir()
    letters = DeadLetters(tmp_path / "dead.jsonl")
    collected = collect(
        ForeignLog(),
        house.journal,
        house.ledger,
        house.lease,
        show=lambda batch: bury(letters, batch.rejected, at=FAR),
    )
    assert collected.num_rejected == 14
    assert house.records() == [event(place) for place in range(25) if place % 3]


def test_a_trimmed_log_that_was_not_collected_is_reported(house: House) -> None:
    house.log.append([event(1), event(2)])
    house.log.trim(house.log.read(START, 1).cursor)
    with pytest.raises(LogGap):
        house.collect()
