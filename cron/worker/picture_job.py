"""What the worker's job `pictures` works on, from the services of a cycle."""

from __future__ import annotations

from cron.pictures.fetching import PictureFetcher
from cron.pictures.picture_turn import PictureWork
from cron.pictures.thumbnail_files import ThumbnailFiles
from cron.services import Services


def picture_work(services: Services) -> PictureWork:
    """Return what a turn of fetching needs."""
    files = ThumbnailFiles(services.artifacts, services.paths.pictures)
    fetcher = PictureFetcher(
        settings=services.settings.pictures, artifacts=services.artifacts, files=files
    )
    return PictureWork(
        ledger=services.ledger, journal=services.journal, fetcher=fetcher, stop=services.stop
    )
