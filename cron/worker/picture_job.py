"""What the worker's job `pictures` works on, and what `run-once` does of it."""

from __future__ import annotations

import logging
from dataclasses import replace

from cron.cycle.collecting import collect_records, refusal_to_collect
from cron.errors import Unavailable
from cron.lineage import Lease
from cron.pictures.fetching import PictureFetcher
from cron.pictures.picture_turn import PictureWork, take_turn
from cron.pictures.thumbnail_files import ThumbnailFiles
from cron.services import Services

ONCE_LIMIT_S = 600.0  # somebody waits for the turn; a worker fetches beside its turns
log = logging.getLogger(__name__)


def picture_work(services: Services) -> PictureWork:
    """Return what a turn of fetching needs."""
    files = ThumbnailFiles(services.artifacts, services.paths.pictures)
    fetcher = PictureFetcher(
        settings=services.settings.pictures, artifacts=services.artifacts, files=files
    )
    return PictureWork(
        ledger=services.ledger, journal=services.journal, fetcher=fetcher, stop=services.stop
    )


def fetch_before_turn(services: Services, lease: Lease) -> None:
    """Collect the records and fetch their pictures, for at most ten minutes.

    What the machines refuse now is left to the turn, which collects again and says so.
    """
    try:
        if refusal_to_collect(services.journal) is None:
            collect_records(services, lease)
            take_turn(replace(picture_work(services), limit_s=ONCE_LIMIT_S), lease)
    except Unavailable as error:
        log.warning("pictures not fetched", extra={"why": str(error)})
