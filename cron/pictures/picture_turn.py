"""A turn of fetching pictures: note those of new item records, fetch or check what is due.

Thumbnails that no item needs any more are deleted.

What became of each picture is stored in the ledger, so a worker that is killed loses the pictures
of one batch at most, and they are fetched again.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import pyarrow as pa

from cron.epoch import moment
from cron.errors import BadPicture
from cron.journal import segments
from cron.journal.journal import Journal
from cron.ledger import picture_rows
from cron.ledger.ledger import Ledger
from cron.ledger.picture_rows import FetchedPicture, ItemPicture, NamedPicture, WaitingPicture
from cron.lineage import Lease
from cron.pictures.fetching import PictureFetcher
from cron.pictures.places import ARTIFACTS, NOWHERE, allowed_places, place_of
from cron.settings.tree import PictureSettings
from recommender.records.images import ARTIFACT, SENT

log = logging.getLogger(__name__)

RECORDS_AT_ONCE = 65_536
BATCH = 32  # pictures whose outcome is stored in one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureWork:
    """What a turn needs; it ends early when `stop` is set, or after some seconds if they are."""

    ledger: Ledger
    journal: Journal
    fetcher: PictureFetcher
    stop: threading.Event
    limit_s: float = math.inf


def take_turn(work: PictureWork, lease: Lease) -> int:
    """Fetch all pictures that are due and return how many became ready.

    Raise LeaseLost, or Unavailable when the ledger or the store does not answer.
    """
    _note_new_items(work, lease)
    _delete_dropped(work, lease)
    places, num_ready = allowed_places(work.fetcher.settings), 0
    checked = places - {ARTIFACTS}  # what is in the store never changes
    ends_at = time.monotonic() + work.limit_s
    with ThreadPoolExecutor(work.fetcher.settings.at_once) as threads:
        while not work.stop.is_set() and time.monotonic() < ends_at:
            waiting = picture_rows.due(work.ledger, places, checked=checked, limit=BATCH)
            if not waiting:
                break
            outcome = partial(_outcome, work.fetcher, now=work.ledger.now())
            found = list(threads.map(outcome, waiting))
            picture_rows.record(work.ledger, found, lease=lease)
            num_ready += num_new(waiting, found)
            _report_failures(found)
    _delete_dropped(work, lease)
    return num_ready


def num_new(waiting: Sequence[WaitingPicture], found: Sequence[FetchedPicture]) -> int:
    """Return how many pictures have a thumbnail that they did not have before."""
    pairs = zip(waiting, found, strict=True)
    return sum(after.thumbnail not in (None, before.thumbnail) for before, after in pairs)


def retry_after(settings: PictureSettings, tries: int) -> timedelta:
    """Return how long to wait after a failure: doubled with each, up to a limit."""
    doublings = min(tries, 64)  # a float holds no more, and the limit is reached long before
    return timedelta(seconds=min(settings.first_retry_s * 2**doublings, settings.last_retry_s))


def _note_new_items(work: PictureWork, lease: Lease) -> None:
    last_seq = work.journal.last_seq
    first = picture_rows.through_seq(work.ledger) + 1
    while first <= last_seq and not work.stop.is_set():
        through = min(first + RECORDS_AT_ONCE - 1, last_seq)
        table = segments.latest_items(work.journal.read_items(first, through))
        items = list(_pictures_of(table, work.fetcher.settings.per_item))
        picture_rows.note_items(work.ledger, items, through=through, lease=lease)
        first = through + 1


def _delete_dropped(work: PictureWork, lease: Lease) -> None:
    """Delete the thumbnails that were dropped; only this thread of the lease's holder adds any."""
    while thumbnails := picture_rows.dropped_thumbnails(work.ledger, limit=BATCH):
        for thumbnail, is_needed in thumbnails.items():
            if not is_needed:
                work.fetcher.files.delete(thumbnail)
        picture_rows.forget_dropped(work.ledger, thumbnails.keys(), lease=lease)


def _pictures_of(items: pa.Table, per_item: int) -> Iterator[ItemPicture]:
    """Yield the pictures of each item, at most so many."""
    columns = items.select(["item_id", "payload", "at_us", "event_id"]).to_pydict()
    for item_id, payload, at_us, event_id in zip(*columns.values(), strict=True):
        images = json.loads(payload).get("images") or []
        main, *more = map(_named_picture, images[:per_item] or [None])
        # bytes that came in a record are kept as long as an item names them
        kept = [one for one in images[per_item:] if one.startswith(f"{ARTIFACT}{SENT}")]
        more += [NamedPicture(source=one, host=NOWHERE) for one in kept]
        yield ItemPicture(
            item_id=item_id,
            source=main.source if main is not None else None,
            host=main.host if main is not None else "",
            at=moment(at_us),
            event_id=event_id,
            more=tuple(one for one in more if one is not None),
        )


def _named_picture(source: str | None) -> NamedPicture | None:
    return None if source is None else NamedPicture(source=source, host=place_of(source))


def _outcome(fetcher: PictureFetcher, one: WaitingPicture, *, now: datetime) -> FetchedPicture:
    settings = fetcher.settings
    try:
        found = fetcher.fetch(one)
        return replace(found, due_at=now + timedelta(seconds=settings.check_again_s))
    except BadPicture as error:
        due_at = now + retry_after(settings, one.tries)
        return FetchedPicture(source=one.source, thumbnail=None, why=str(error), due_at=due_at)


def _report_failures(found: Sequence[FetchedPicture]) -> None:
    bad = [one for one in found if one.thumbnail is None]
    if bad:
        extra = {"num_pictures": len(bad), "picture": bad[0].source, "why": bad[0].why}
        log.warning("pictures not fetched; they are tried again later", extra=extra)
