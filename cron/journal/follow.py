"""Follow: from the event log into the histories, so that the next recommendation knows what was just seen.

Knows the follower's own cursor, which lies in the histories; the journal's cursor is another one.
"""

from __future__ import annotations

from cron.journal import segments
from cron.journal.journal import Journal
from cron.ports import BATCH_BYTES, START, EventLog, Histories

BATCH_RECORDS = 5_000


def follow_once(log: EventLog, histories: Histories, *, limit: int = BATCH_RECORDS) -> int:
    """Bring at most `limit` records from the log into the histories; return how many, 0 at its end. On LogGap `rebuild` is called for.

    What is no record counts and is passed by: the collector buries it.
    """
    before = histories.cursor()
    batch = log.read(before, limit)
    if batch.cursor == before:
        return 0
    histories.append(batch.records, cursor=batch.cursor)
    return (
        len(batch.records) + len(batch.rejected) or 1
    )  # there may be more behind what the log skipped


def must_rebuild(journal: Journal, histories: Histories) -> bool:
    """Tell whether the histories were lost, or a rebuild was cut off: a log that begins with what is left says nothing of it."""
    return histories.cursor() == START and journal.log_cursor != START


def rebuild(journal: Journal, log: EventLog, histories: Histories) -> None:
    """Make the histories anew from the journal, then from what the log holds after it.

    The histories may be written to meanwhile. Cut off half-way it leaves no cursor, and must be
    done again. Leave the histories as they are and raise LogGap when the log isn't the one that the
    journal was collected from, ArtifactMissing or ArtifactCorrupt when the journal is not whole.
    """
    log.read(journal.log_cursor, 1)
    for first_seq, last_seq in journal.ranges():
        journal.read(first_seq, last_seq, columns=["seq"])  # fetched and verified
    histories.keep_out(journal.forgotten())
    histories.clear()
    cursor = journal.log_cursor  # taken before the ranges: they hold at least what lies before it
    for first_seq, last_seq in journal.ranges():
        for part in segments.parts_of(journal.read(first_seq, last_seq), part_bytes=BATCH_BYTES):
            histories.append(segments.records_of(part))
    # a host that never holds the lease merges nothing, and sweeps nothing
    journal.delete_stale_copies()
    histories.append((), cursor=cursor)
    while follow_once(log, histories):
        pass
