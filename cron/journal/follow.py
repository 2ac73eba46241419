"""Copy the event log into the histories, so that the next answer uses the newest events.

The histories store the follower's cursor; the journal has another one.
"""

from __future__ import annotations

from cron.journal import segments
from cron.journal.follow_items import ItemFollower
from cron.journal.journal import Journal
from cron.ports import BATCH_BYTES, START, EventLog, Histories

# The more at once, the less each takes, and the longer nobody else may write.
BATCH_RECORDS, SHARED_BATCH_RECORDS = 20_000, 5_000


def batch_limit(num_processes: int) -> int:
    """Return how many records to copy at once beside a gateway of so many processes.

    Several write to the histories themselves.
    """
    return BATCH_RECORDS if num_processes == 1 else SHARED_BATCH_RECORDS


def follow_once(
    log: EventLog,
    histories: Histories,
    *,
    limit: int = SHARED_BATCH_RECORDS,
    items: ItemFollower | None = None,
) -> int:
    """Copy at most `limit` records; return their number, which is 0 at the end of the log.

    The item records get the same batch, if they are at the same place.

    Invalid records are counted and skipped; the collector stores them as dead letters. After
    LogGap, call `rebuild`.
    """
    before = histories.cursor()
    batch = log.read(before, limit)
    if batch.cursor == before:
        return 0
    if items is not None:
        items.copy(batch, after=before)
    histories.append(batch.records, cursor=batch.cursor)
    # At least 1, because the log may have more after what it skipped.
    return batch.num_entries or 1


def must_rebuild(journal: Journal, histories: Histories) -> bool:
    """Return whether the histories were lost or a rebuild was interrupted.

    A trimmed log cannot show this: reading it from its start would raise no LogGap.
    """
    return histories.cursor() == START and journal.log_cursor != START


def rebuild(journal: Journal, log: EventLog, histories: Histories) -> None:
    """Rebuild the histories from the journal, then from what the log has after it.

    They may be written to meanwhile. An interrupted rebuild leaves no cursor and must be repeated.
    Change nothing and raise LogGap if the journal was not collected from this log, or
    ArtifactMissing or ArtifactCorrupt if the journal is incomplete.
    """
    log.read(journal.log_cursor, 1)
    for first_seq, last_seq in journal.ranges():
        journal.read(first_seq, last_seq, columns=["seq"])  # fetched and verified
    histories.keep_out(journal.forgotten())
    histories.clear()
    cursor = journal.log_cursor  # before the ranges, which then include everything up to it
    for first_seq, last_seq in journal.ranges():
        for part in segments.parts_of(journal.read(first_seq, last_seq), part_bytes=BATCH_BYTES):
            histories.append(segments.records_of(part))
    # A host that never has the lease neither merges nor sweeps.
    journal.delete_stale_copies()
    histories.append((), cursor=cursor)
    while follow_once(log, histories):
        pass
