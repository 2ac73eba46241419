"""Stored segments that the ledger does not name: adopt those with newer records.

A worker that dies between put and commit leaves one segment right after the ledger's last number,
whose records are still in the log. After an older ledger was restored there are more: segments with
higher numbers, or merged ones in place of files that it still names. Those have the only copy of
their records, because the log was trimmed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cron.errors import ArtifactMissing, FreshetError, JournalAhead
from cron.journal.segment_files import SegmentFiles, SegmentName, parse_name
from cron.ledger import journal_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Range, Segment
from cron.ports import Cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Strays:
    """The stored segments without a ledger entry, and the ledger's last number.

    `settled`: their records are in the ledger's segments too. `left`: they begin right after the
    last number, so a crash may have left them. `newer`: the ledger lacks their records.
    """

    settled: tuple[SegmentName, ...]
    left: tuple[SegmentName, ...]
    newer: tuple[SegmentName, ...]
    last_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """The segments that were added to the ledger, and its new last number."""

    segments: tuple[Segment, ...]
    last_seq: int


def strays_among(names: Sequence[str], ledger: Ledger) -> Strays:
    """Sort the stored segments that no ledger entry names; list `names` before calling this."""
    known, last_seq = journal_rows.numbers_by_name(ledger), journal_rows.last_seq(ledger)
    stored = set(names)
    gone = [numbers for name, numbers in known.items() if name not in stored]
    settled, left, newer = [], [], []
    for stray in (
        parsed for name in names if name not in known and (parsed := parse_name(name)) is not None
    ):
        if stray.covers[0] == last_seq + 1:
            left.append(stray)
        elif stray.covers[1] > last_seq or any(_overlap(stray.covers, one) for one in gone):
            newer.append(stray)
        else:
            settled.append(stray)
    return Strays(settled=tuple(settled), left=tuple(left), newer=tuple(newer), last_seq=last_seq)


def refuse_newer(ledger: Ledger, files: SegmentFiles, *, is_log_trimmed: bool = False) -> None:
    """Raise JournalAhead when the store has records that the ledger lacks.

    `is_log_trimmed`: the log lacks the records after the ledger's last number, so that a segment
    that a crash left is the only copy too.
    """
    strays = strays_among(files.names(), ledger)
    found = (*strays.newer, *(strays.left if is_log_trimmed else ()))
    if found:
        newest = max(found, key=lambda one: one.covers[1])
        raise JournalAhead(name=newest.name, last_seq=strays.last_seq)


def adopt(ledger: Ledger, files: SegmentFiles, cursor: Cursor, lease: Lease) -> Adopted:
    """Add the stored segments that continue the ledger's, with the cursor to collect from next.

    This is one transaction. Raise ArtifactMissing when a number that the ledger gave is in no
    stored segment, and FreshetError for a gap between two segments; nothing is changed then.
    """
    committed = {segment.name: segment for segment in journal_rows.segments(ledger)}
    stored = [parsed for name in files.names() if (parsed := parse_name(name)) is not None]
    start = min(
        (one.first_seq for one in committed.values()),
        default=min((one.covers[0] for one in stored), default=1),
    )
    chain = _longest_chain(stored, start, known=set(committed))
    last_seq, end = journal_rows.last_seq(ledger), chain[-1].covers[1] if chain else start - 1
    if end < last_seq:
        raise ArtifactMissing(
            f"with the journal's number {end + 1}",
            store="any stored segment; restore archives/ from a backup",
        )
    _refuse_gap(stored, end)
    kept = {one.name for one in chain}
    adopted = tuple(files.describe(one) for one in chain if one.name not in committed)
    journal_rows.adopt_segments(
        ledger,
        adopted,
        dropped=[name for name in committed if name not in kept],
        last_seq=end,
        cursor=cursor,
        lease=lease,
    )
    return Adopted(segments=adopted, last_seq=end)


def _refuse_gap(stored: Sequence[SegmentName], end: int) -> None:
    beyond = min(
        (one for one in stored if one.covers[0] > end + 1), key=lambda one: one.covers, default=None
    )
    if beyond is not None:
        numbers = f"numbers {end + 1} to {beyond.covers[0] - 1}"
        raise FreshetError(
            f"the journal's {numbers} are in no stored segment, but {beyond.name} comes after "
            "them; restore the missing file from a backup, or move the files after it out of the "
            "store to continue without them"
        )


def _longest_chain(
    stored: Sequence[SegmentName], start: int, *, known: set[str]
) -> list[SegmentName]:
    """Return the longest chain of segments from a number on, without gap or overlap.

    Of two that lead equally far, prefer the one that the ledger names, then the later lease's.
    """
    # By first number: the rank of the best chain from there, and its first segment.
    best: dict[int, tuple[tuple[int, bool, int], SegmentName]] = {}
    for one in sorted(stored, key=lambda segment: segment.covers, reverse=True):
        first, last = one.covers
        reaches = best[last + 1][0][0] if last + 1 in best else last
        rank = (reaches, one.name in known, one.token)
        if first not in best or rank > best[first][0]:
            best[first] = (rank, one)
    chain: list[SegmentName] = []
    while start in best:
        chain.append(best[start][1])
        start = chain[-1].covers[1] + 1
    return chain


def _overlap(one: Range, other: Range) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
