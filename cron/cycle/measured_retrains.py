"""What the last full retrains gave, and how stale the live weights are, from the lineage."""

from __future__ import annotations

from cron.cycle.staleness import NUM_MEASURED, MeasuredRetrain, Staleness, decay_per_event
from cron.journal.journal import Journal
from cron.ledger import journal_rows, release_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Manifest


def estimate_staleness(ledger: Ledger, journal: Journal, live: Manifest) -> Staleness | None:
    """Return the estimate for the live release; None before a full retrain was measured.

    The events since the last full retrain count, whether updates have learned from them or not.
    """
    anchor = _manifest(ledger, live.anchor)
    if anchor is None:
        return None
    decay = decay_per_event(_past_retrains(ledger, journal, anchor))
    if decay is None:
        return None
    num_events = _num_events(journal, anchor.trained_through, journal_rows.last_seq(ledger))
    return Staleness(decay=decay, num_events=num_events)


def _past_retrains(ledger: Ledger, journal: Journal, anchor: Manifest) -> list[MeasuredRetrain]:
    """Return what the full retrains up to `anchor` gave, oldest first.

    The gate scored each on the same events of the panel as the model that it replaced. One that
    replaced a baseline, or a full retrain that was never updated, says nothing.
    """
    measured: list[MeasuredRetrain] = []
    full: Manifest | None = anchor
    while full is not None and len(measured) < NUM_MEASURED:
        replaced = _manifest(ledger, full.supersedes)
        before = _manifest(ledger, replaced.anchor) if replaced is not None else None
        if replaced is None or before is None:
            break
        own, others = full.metrics.get("ndcg_candidate"), full.metrics.get("ndcg_live")
        num_events = _num_events(journal, before.trained_through, replaced.trained_through)
        if own is not None and others is not None and others > 0 and num_events > 0:
            measured.append(MeasuredRetrain(gain=own / others - 1, num_events=num_events))
        full = before if before.version < full.version else None
    return measured[::-1]


def _num_events(journal: Journal, after: int, through: int) -> int:
    return journal.count(after + 1, through).events if after < through else 0


def _manifest(ledger: Ledger, version: int | None) -> Manifest | None:
    return release_rows.archive_manifest(ledger, version) if version is not None else None
