"""The event log in two Kafka topics, read by offsets that we store, without a group.

The journal does what Kafka cannot: Kafka reports no duplicates, and a call that raises Unavailable
may have stored some of its records. Nothing is sent when the log is opened, so a gateway can start
and serve while Kafka is away.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from cron.backends.kafka.connection import KafkaConnection
from cron.backends.kafka.messages import event_message, from_message, to_message
from cron.backends.kafka.positions import Partition, Positions, from_cursor, to_cursor
from cron.backends.kafka.reader import Reader, TrimmedMeanwhile
from cron.backends.kafka.topics import Extent, Topics, TopicsState
from cron.backends.kafka.writer import Outgoing, Writer
from cron.errors import LogGap
from cron.ports import START, Appended, Batch, Cursor
from cron.stored_records import batch_of
from cron.urls.kafka import KafkaUrl
from recommender.records.events import EventLines, LogRecord

_MAX_IDLE = 2  # readers kept: the journal's and the follower's


class KafkaEventLog:
    """EventLog on Kafka; threads may share it."""

    def __init__(self, url: KafkaUrl) -> None:
        self._url = url
        self._connection = KafkaConnection(url)
        self._topics = Topics(self._connection)
        self._writer = Writer(self._connection)
        self._are_known = False
        self._lock = threading.Lock()
        self._idle: list[Reader] = []

    def append(self, records: Sequence[LogRecord]) -> Appended:
        """Send records and wait until all are acknowledged; Kafka reports no duplicates."""
        return self._append([to_message(record, self._url) for record in records])

    def append_lines(self, events: EventLines) -> Appended:
        """Send serialised events in the same way."""
        pairs = zip(events.user_ids, events.lines, strict=True)
        return self._append([event_message(user_id, line, self._url) for user_id, line in pairs])

    def read(self, after: Cursor, limit: int) -> Batch:
        """Return at most `limit` records after the cursor, in each partition's order.

        START is the earliest record that is left.
        """
        described = self._topics.describe()
        extents = self._topics.extents(described.lines)
        starts = self._starts(after, described, extents)
        ends = {line: extent.end for line, extent in extents.items()}
        if all(offset >= ends[line] for line, offset in starts.items()):
            return Batch(records=(), cursor=after)
        reader = self._borrow(starts)
        try:
            messages, reached = reader.read(starts, ends, limit)
            described_now = self._topics.describe() if messages else described
        except TrimmedMeanwhile:
            reader.close()
            return self.read(after, limit)  # raises LogGap with what is gone
        except BaseException:
            reader.close()
            raise
        self._give_back(reader)
        if described_now.ids != described.ids:
            raise self._recreated_gap(described.ids, described_now.ids)
        now = datetime.now(UTC)
        found = [from_message(message, self._url, described.ids, now=now) for message in messages]
        return batch_of(found, to_cursor(Positions(ids=described.ids, next=reached)))

    def give_up(self, after: Cursor) -> Cursor:
        """Return START, the earliest record of every partition, unless the cursor is readable."""
        described = self._topics.describe()
        try:
            self._starts(after, described, self._topics.extents(described.lines))
        except LogGap:
            return START
        return after

    def backlog(self, after: Cursor) -> int:
        """Count the offsets after the cursor, marks of transactions and compacted ones included."""
        described = self._topics.describe()
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
        """With `trim=yes`, delete the records before the earliest cursor.

        Otherwise the topics' own retention deletes them.
        """
        if not self._url.trims or not before or START in before:
            return
        described = self._topics.describe()
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

    def _append(self, messages: Sequence[Outgoing]) -> Appended:
        if messages:
            if not self._are_known:
                # checked first: a broker may create a missing topic, with one partition
                self._topics.describe()
                self._are_known = True
            self._writer.write(messages)
        return Appended(accepted=len(messages), duplicates=())

    def _starts(
        self, after: Cursor, described: TopicsState, extents: Mapping[Partition, Extent]
    ) -> dict[Partition, int]:
        """Return the offsets to read from.

        Raise LogGap when a record after the cursor is gone, or the cursor is of another log.
        """
        if after == START:
            return {line: extent.first for line, extent in extents.items()}
        known = from_cursor(after)
        if known is None or known.ids != described.ids:
            raise self._recreated_gap({} if known is None else known.ids, described.ids)
        for line, offset in known.next.items():
            if line not in extents or offset > extents[line].end:
                raise self._trimmed_gap(line, offset, extents.get(line))
        # an added partition is read from its beginning
        starts = {line: known.next.get(line, 0) for line in described.lines}
        for line, offset in starts.items():
            if offset < extents[line].first:
                raise self._trimmed_gap(line, offset, extents[line])
        return starts

    def _trimmed_gap(self, line: Partition, offset: int, extent: Extent | None) -> LogGap:
        left = "none: the partition does not exist"
        if extent is not None:
            left = f"offset {extent.first}, the end {extent.end}"
        return LogGap(
            log=self._url.where,
            cursor=f"offset {offset} of {line[0]}, partition {line[1]}",
            earliest=left,
        )

    def _recreated_gap(self, old: Mapping[str, str], new: Mapping[str, str]) -> LogGap:
        changed = [name for name in new if new[name] != old.get(name)] or sorted(old)
        topic = changed[0]
        was = f"of {topic} with the id {old[topic]}" if topic in old else "of another log"
        return LogGap(
            log=self._url.where,
            cursor=was,
            earliest=f"in {topic} with the id {new.get(topic, 'none')}, another topic",
        )

    def _borrow(self, starts: Mapping[Partition, int]) -> Reader:
        """Return a reader for this thread alone: one at these offsets, or an idle one."""
        with self._lock:
            chosen = next((one for one in self._idle if one.is_at(starts)), None)
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
    """Open the log; nothing is sent until it is used. Raise SettingsError."""
    return KafkaEventLog(url)
