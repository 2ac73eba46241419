"""The worker's job `copy`: it keeps the writer of texts loaded, and writes what was wanted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache, partial

from cron.copy.live_writer import awaits_release, live_writer
from cron.copy.recheck import take_back_rejected
from cron.copy.serving import restore_live
from cron.copy.write_ahead import CopyWork, write_ahead
from cron.errors import NoRoom, ServerRefused, StoreError, Unavailable
from cron.lineage import Lease
from cron.metrics.copy_report import AWAITS_RELEASE
from cron.services import Services
from cron.urls.writers import ServedWriterUrl, parse_writer

log = logging.getLogger(__name__)

COPY_EVERY_S = 10.0


def copy_job(services: Services) -> Callable[[Lease], object]:
    """Return what a turn does; without a writer in the settings it does nothing.

    The first turn checks all stored texts again: the rules may be those of a newer Freshet.
    """
    settings = services.settings.copy
    work = CopyWork(
        ledger=services.ledger,
        settings=settings,
        open_writer=partial(live_writer, settings, services.ledger, services.copy_server),
        stop=services.stop,
    )

    take_back_once = cache(partial(take_back_rejected, services.ledger, services.stop))

    @cache
    def warn_once() -> None:
        if awaits_release(settings, services.ledger):
            log.warning("no texts are written", extra={"why": AWAITS_RELEASE})

    def take_turn(_lease: Lease) -> None:
        if settings.writer is None:
            return
        take_back_once()
        warn_once()
        if isinstance(parse_writer(settings.writer), ServedWriterUrl):
            _restore(services)
        write_ahead(work)

    return take_turn


def _restore(services: Services) -> None:
    """Load the writer again where it is lost; a failure does not concern the recommender."""
    try:
        restore_live(services.ledger, services.copy_server(), services.artifacts)
    except (Unavailable, ServerRefused, StoreError, NoRoom) as error:
        log.warning("the writer is not loaded; templates are shown", extra={"why": str(error)})
