"""A turn of fetching pictures: note those of new item records, then fetch what is due.

What became of each picture is stored in the ledger, so a worker that is killed loses the pictures
of one batch at most, and they are fetched again.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import pyarrow as pa

from cron.epoch import moment
from cron.errors import BadPicture
from cron.journal import segments
from cron.journal.journal import Journal
from cron.ledger import picture_rows
from cron.ledger.ledger import Ledger
from cron.ledger.picture_rows import FetchedPicture, ItemPicture, WaitingPicture
from cron.lineage import Lease
from cron.pictures.fetching import PictureFetcher
from cron.pictures.places import allowed_places, place_of
from cron.settings.tree import PictureSettings

log = logging.getLogger(__name__)

RECORDS_AT_ONCE = 65_536
BATCH = 32  # pictures whose outcome is stored in one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureWork:
    """What a turn needs; it ends early when `stop` is set."""

    ledger: Ledger
    journal: Journal
    fetcher: PictureFetcher
    stop: threading.Event


def take_turn(work: PictureWork, lease: Lease) -> int:
    """Fetch all pictures that are due and return how many became ready.

    Raise LeaseLost, or Unavailable when the ledger or the store does not answer.
    """
    _note_new_items(work, lease)
    places, num_ready = allowed_places(work.fetcher.settings), 0
    with ThreadPoolExecutor(work.fetcher.settings.at_once) as threads:
        while not work.stop.is_set():
            waiting = picture_rows.due(work.ledger, places, limit=BATCH)
            if not waiting:
                break
            outcome = partial(_outcome, work.fetcher, now=work.ledger.now())
            found = list(threads.map(outcome, waiting))
            picture_rows.record(work.ledger, found, lease=lease)
            num_ready += sum(one.thumbnail is not None for one in found)
            _report_failures(found)
    return num_ready


def retry_after(settings: PictureSettings, tries: int) -> timedelta:
    """Return how long to wait after a failure: doubled with each, up to a limit."""
    doublings = min(tries, 64)  # a float holds no more, and the limit is reached long before
    return timedelta(seconds=min(settings.first_retry_s * 2**doublings, settings.last_retry_s))


def _note_new_items(work: PictureWork, lease: Lease) -> None:
    last_seq = work.journal.last_seq
    first = picture_rows.through_seq(work.ledger) + 1
    while first <= last_seq and not work.stop.is_set():
        through = min(first + RECORDS_AT_ONCE - 1, last_seq)
        items = list(_pictures_of(segments.latest_items(work.journal.read_items(first, through))))
        picture_rows.note_items(work.ledger, items, through=through, lease=lease)
        first = through + 1


def _pictures_of(items: pa.Table) -> Iterator[ItemPicture]:
    """Yield the main picture of each item."""
    columns = items.select(["item_id", "payload", "at_us", "event_id"]).to_pydict()
    for item_id, payload, at_us, event_id in zip(*columns.values(), strict=True):
        images = json.loads(payload).get("images") or [None]
        yield ItemPicture(
            item_id=item_id,
            source=images[0],
            host=place_of(images[0]) if images[0] is not None else "",
            at=moment(at_us),
            event_id=event_id,
        )


def _outcome(fetcher: PictureFetcher, one: WaitingPicture, *, now: datetime) -> FetchedPicture:
    try:
        return FetchedPicture(source=one.source, thumbnail=fetcher.fetch(one.source))
    except BadPicture as error:
        due_at = now + retry_after(fetcher.settings, one.tries)
        return FetchedPicture(source=one.source, thumbnail=None, why=str(error), due_at=due_at)


def _report_failures(found: Sequence[FetchedPicture]) -> None:
    bad = [one for one in found if one.thumbnail is None]
    if bad:
        extra = {"num_pictures": len(bad), "picture": bad[0].source, "why": bad[0].why}
        log.warning("pictures not fetched; they are tried again later", extra=extra)
