"""The start of a turn: the collection of the log's records into the journal."""

from __future__ import annotations

import logging

from cron.cycle.retention import trim_log
from cron.errors import FreshetError, JournalAhead, LeaseLost, LogGap
from cron.journal.collect import bury, collect
from cron.journal.dead_letters import DeadLetters
from cron.journal.journal import Journal
from cron.lineage import Lease, Reason
from cron.ports import Batch
from cron.services import Services

log = logging.getLogger(__name__)

NOT_COLLECTED = "not_collected"  # the reason of a turn that could not read the log


def refusal_to_collect(journal: Journal) -> Reason | None:
    """Return why nothing may be collected or trained, or None.

    The store may have records that the ledger, an older one, does not have.
    """
    try:
        journal.refuse_newer()
    except JournalAhead as error:
        log.error("the journal is ahead of the ledger", extra={"why": str(error)})
        return _not_collected(error)
    except FreshetError:  # the store cannot be reached, which the collection reports
        pass
    return None


def collect_records(services: Services, lease: Lease) -> Reason | None:
    """Collect the log's records into the journal; return why that failed, or None.

    Raise LeaseLost.
    """
    ledger = services.ledger
    try:
        new = collect(
            services.log,
            services.journal,
            ledger,
            lease,
            show=lambda batch: _note(services, batch),
        )
        services.metrics.log_emptied(new)
        trim_log(services.log, ledger, services.histories, services.item_records)
    except LeaseLost:
        raise
    except LogGap as error:
        return _not_collected(_with_remedy(services.journal, error))
    except FreshetError as error:
        return _not_collected(error)
    return None


def _not_collected(error: FreshetError) -> Reason:
    return Reason(name=NOT_COLLECTED, ok=False, text=str(error))


def _with_remedy(journal: Journal, gap: LogGap) -> FreshetError:
    """Return the error that says what to do about records that the log has lost.

    Segments that a crash left in the store may be the only copy of them.
    """
    try:
        journal.refuse_newer(is_log_trimmed=True)
    except FreshetError as error:
        return error
    return gap


def _note(services: Services, batch: Batch) -> None:
    """Measure how long the records of a batch waited, and store rejected ones as dead letters."""
    now = services.ledger.now()
    services.metrics.records_read(batch.records, now)
    bury(DeadLetters(services.paths.var / "dead-letters.jsonl"), batch.rejected, at=now)
    if batch.rejected:
        log.warning(
            "the log holds invalid records",
            extra={"num_rejected": len(batch.rejected), "why": batch.rejected[0].reason},
        )
