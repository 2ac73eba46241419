"""The pictures of a snapshot: which items have which, and links to the thumbnails."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from cron.errors import ArtifactCorrupt, ArtifactMissing
from cron.ledger import shown_pictures
from cron.ledger.ledger import Ledger
from cron.ledger.shown_pictures import ItemThumbnail
from cron.pictures.thumbnail_files import ThumbnailFiles
from cron.snapshot.tables import SnapshotTables
from recommender.arrays.bases import link_or_copy

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSource:
    """Where the pictures of items are known and stored."""

    ledger: Ledger
    files: ThumbnailFiles


def add_pictures(
    source: PictureSource, tables: SnapshotTables, folder: Path, *, after: int
) -> None:
    """Write the items whose picture changed after a change, and link their thumbnails.

    A thumbnail that the store has lost is left out; raise Unavailable.
    """
    (folder / "pictures").mkdir()
    rows = [
        _link(source, one, folder) for one in shown_pictures.changed_since(source.ledger, after)
    ]
    table = {
        "item_id": pa.array([one.item_id for one in rows], pa.string()),
        "thumbnail": pa.array([one.thumbnail for one in rows], pa.string()),
    }
    tables.add("pictures", pa.table(table))


def _link(source: PictureSource, one: ItemThumbnail, folder: Path) -> ItemThumbnail:
    if one.thumbnail is None:
        return one
    target = folder / "pictures" / f"{one.thumbnail}.jpg"
    try:
        if not target.exists():
            link_or_copy(source.files.path(one.thumbnail), target)
    except (ArtifactMissing, ArtifactCorrupt) as error:
        log.warning("picture left out", extra={"item_id": one.item_id, "why": str(error)})
        return ItemThumbnail(item_id=one.item_id, thumbnail=None)
    return one
