"""The event log in Kafka: EventLog on two topics, read by offsets that we keep, without a consumer group.

What Kafka can't do is left to the journal: it tells no duplicates, and a call that ends in
Unavailable may have stored some of its records. Nothing is sent when the log is opened, so that a
gateway starts, and serves, while Kafka is away.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from cron.backends.kafka.connection import Connection
from cron.backends.kafka.messages import from_message, to_message
from cron.backends.kafka.positions import Partition, Positions, from_cursor, to_cursor
from cron.backends.kafka.reader import Reader, TrimmedMeanwhile
from cron.backends.kafka.topics import Described, Extent, Topics
from cron.backends.kafka.writer import Writer
from cron.errors import LogGap
from cron.ports import START, Appended, Batch, Cursor
from cron.stored_records import batch_of
from cron.urls.kafka import KafkaUrl
from recommender.events import Record

_MAX_IDLE = 2  # readers kept: the journal's and the follower's


class KafkaEventLog:
    """EventLog on Kafka; may be shared by threads."""

    def __init__(self, url: KafkaUrl) -> None:
        self._url = url
        self._connection = Connection(url)
        self._topics = Topics(self._connection)
        self._writer = Writer(self._connection)
        self._are_there = False
        self._lock = threading.Lock()
        self._idle: list[Reader] = []

    def append(self, records: Sequence[Record]) -> Appended:
        """Send records and wait until all are acknowledged; Kafka tells no duplicates."""
        if records:
            if not self._are_there:
                # a broker may make a topic that is missing, with one partition
                self._topics.described()
                self._are_there = True
            self._writer.write([to_message(record, self._url) for record in records])
        return Appended(accepted=len(records), duplicates=())

    def read(self, after: Cursor, limit: int) -> Batch:
        """Return at most `limit` records after the cursor, in each partition's order; START is the earliest that there is."""
        described = self._topics.described()
        extents = self._topics.extents(described.lines)
        starts = self._starts(after, described, extents)
        ends = {line: extent.end for line, extent in extents.items()}
        if all(offset >= ends[line] for line, offset in starts.items()):
            return Batch(records=(), cursor=after)
        reader = self._borrowed(starts)
        try:
            messages, reached = reader.read(starts, ends, limit)
            now_described = self._topics.described() if messages else described
        except TrimmedMeanwhile:
            reader.close()
            return self.read(after, limit)  # which says what is gone
        except BaseException:
            reader.close()
            raise
        self._give_back(reader)
        if now_described.ids != described.ids:
            raise self._made_anew(described.ids, now_described.ids)
        now = datetime.now(UTC)
        found = [from_message(message, self._url, described.ids, now=now) for message in messages]
        return batch_of(found, to_cursor(Positions(ids=described.ids, next=reached)))

    def give_up(self, after: Cursor) -> Cursor:
        """Return START, which is the earliest that there is in every partition, unless the cursor can be read from."""
        described = self._topics.described()
        try:
            self._starts(after, described, self._topics.extents(described.lines))
        except LogGap:
            return START
        return after

    def backlog(self, after: Cursor) -> int:
        """Count the offsets after the cursor: a transaction's marks, and what a compaction took away, are among them."""
        described = self._topics.described()
        extents = self._topics.extents(described.lines)
        known = from_cursor(after)
        ours: Mapping[Partition, int] = (
            known.next if known is not None and known.ids == described.ids else {}
        )
        return sum(
            max(0, extent.end - max(extent.first, ours.get(line, 0)))
            for line, extent in extents.items()
        )

    def trim(self, *before: Cursor) -> None:
        """Delete the records before all of the cursors with `trim=yes`; otherwise the topics' own retention does."""
        if not self._url.trims or not before or START in before:
            return
        described = self._topics.described()
        known = [
            positions
            for positions in map(from_cursor, before)
            if positions is not None and positions.ids == described.ids
        ]
        if len(known) < len(before):  # of another log
            return
        extents = self._topics.extents(described.lines)
        behind = {
            line: min(positions.next.get(line, 0) for positions in known)
            for line in described.lines
        }
        behind = {line: offset for line, offset in behind.items() if extents[line].first < offset}
        if behind:
            self._topics.forget(behind)

    def close(self) -> None:
        """Close all clients."""
        self._writer.close()
        with self._lock:
            for reader in self._idle:
                reader.close()
            self._idle.clear()

    def _starts(
        self, after: Cursor, described: Described, extents: Mapping[Partition, Extent]
    ) -> dict[Partition, int]:
        """Return the offsets to read from; raise LogGap when a record after the cursor is gone or the log is not the cursor's."""
        if after == START:
            return {line: extent.first for line, extent in extents.items()}
        known = from_cursor(after)
        if known is None or known.ids != described.ids:
            raise self._made_anew({} if known is None else known.ids, described.ids)
        for line, offset in known.next.items():
            if line not in extents or offset > extents[line].end:
                raise self._gone(line, offset, extents.get(line))
        starts = {
            line: known.next.get(line, 0) for line in described.lines
        }  # a partition that was added: from its beginning
        for line, offset in starts.items():
            if offset < extents[line].first:
                raise self._gone(line, offset, extents[line])
        return starts

    def _gone(self, line: Partition, offset: int, extent: Extent | None) -> LogGap:
        left = (
            "none: there is no such partition"
            if extent is None
            else f"offset {extent.first}, the end {extent.end}"
        )
        return LogGap(
            log=self._url.where,
            cursor=f"offset {offset} of {line[0]}, partition {line[1]}",
            earliest=left,
        )

    def _made_anew(self, old: Mapping[str, str], new: Mapping[str, str]) -> LogGap:
        changed = [name for name in new if new[name] != old.get(name)] or sorted(old)
        topic = changed[0]
        was = f"of {topic} with the id {old[topic]}" if topic in old else "of another log"
        return LogGap(
            log=self._url.where,
            cursor=was,
            earliest=f"in {topic} with the id {new.get(topic, 'none')}, another topic",
        )

    def _borrowed(self, starts: Mapping[Partition, int]) -> Reader:
        """Return a reader for this thread alone: the one that stands there, or one that stands nowhere."""
        with self._lock:
            chosen = next((one for one in self._idle if one.stands_at(starts)), None)
            chosen = chosen or next((one for one in self._idle if not one.is_ahead), None)
            if chosen is None and len(self._idle) >= _MAX_IDLE:
                chosen = self._idle[0]
            if chosen is not None:
                self._idle.remove(chosen)
        return chosen or Reader(self._connection)

    def _give_back(self, reader: Reader) -> None:
        with self._lock:
            self._idle.append(reader)
            extra = self._idle.pop(0) if len(self._idle) > _MAX_IDLE else None
        if extra is not None:
            extra.close()


def open_log(url: KafkaUrl) -> KafkaEventLog:
    """Return the log of a setting; nothing is sent until it is used. Raise SettingsError."""
    return KafkaEventLog(url)
