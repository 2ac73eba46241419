"""What items show: their thumbnails, and which changed since a release.

`picture_rows` has how pictures come to be ready.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cron.ledger import schema
from cron.ledger.ledger import Ledger

_IDS_AT_ONCE = 500  # SQLite takes some thousand values in a statement


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCounts:
    """Pictures of items, by what became of them. `waiting` ones were never tried."""

    ready: int
    failed: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemThumbnail:
    """The thumbnail of an item now; None if it has none any more."""

    item_id: str
    thumbnail: str | None


def changed_since(ledger: Ledger, change: int) -> list[ItemThumbnail]:
    """Return the items whose picture changed after a change; with 0, those that have one.

    They are ordered by id. An item whose new picture is not ready yet has none: the old one may
    show something else.
    """
    rows, items = schema.pictures.c, schema.item_pictures.c
    joined = schema.item_pictures.outerjoin(schema.pictures, items.source_key == rows.source_key)
    query = sa.select(items.item_id, rows.thumbnail).select_from(joined).order_by(items.item_id)
    if change:
        query = query.where((items.changed > change) | (rows.changed > change))
    else:
        query = query.where(rows.thumbnail.is_not(None))
    with ledger.read() as connection:
        found = connection.execute(query).all()
    return [ItemThumbnail(item_id=row.item_id, thumbnail=row.thumbnail) for row in found]


def thumbnails_of(ledger: Ledger, item_ids: Sequence[str]) -> Mapping[str, str]:
    """Return the thumbnails of those items that have one, by item id."""
    rows, items = schema.pictures.c, schema.item_pictures.c
    joined = schema.item_pictures.join(schema.pictures, items.source_key == rows.source_key)
    query = sa.select(items.item_id, rows.thumbnail).select_from(joined)
    found: dict[str, str] = {}
    with ledger.read() as connection:
        for start in range(0, len(item_ids), _IDS_AT_ONCE):
            part = items.item_id.in_(item_ids[start : start + _IDS_AT_ONCE])
            for row in connection.execute(query.where(part, rows.thumbnail.is_not(None))):
                found[row.item_id] = row.thumbnail
    return found


def more_thumbnails_of(ledger: Ledger, item_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the thumbnails of items' other pictures that are ready, in order, by item id."""
    rows, more = schema.pictures.c, schema.more_pictures.c
    query = (
        sa.select(more.item_id, rows.thumbnail)
        .select_from(schema.more_pictures.join(schema.pictures, more.source_key == rows.source_key))
        .where(rows.thumbnail.is_not(None))
        .order_by(more.item_id, more.place)
    )
    found: dict[str, tuple[str, ...]] = {}
    with ledger.read() as connection:
        for start in range(0, len(item_ids), _IDS_AT_ONCE):
            part = more.item_id.in_(item_ids[start : start + _IDS_AT_ONCE])
            for row in connection.execute(query.where(part)):
                found[row.item_id] = (*found.get(row.item_id, ()), row.thumbnail)
    return found


def num_new_thumbnails(ledger: Ledger, change: int) -> int:
    """Return how many items have a main picture that became ready, or other, after a change."""
    rows, items = schema.pictures.c, schema.item_pictures.c
    joined = schema.item_pictures.join(schema.pictures, items.source_key == rows.source_key)
    is_new = sa.and_(rows.changed > change, rows.thumbnail.is_not(None))
    query = sa.select(sa.func.count()).select_from(joined).where(is_new)
    with ledger.read() as connection:
        return int(connection.execute(query).scalar_one())


def count(ledger: Ledger) -> PictureCounts:
    """Count the pictures that some item has and that may be fetched."""
    rows = schema.pictures.c
    is_used = sa.or_(
        *(
            sa.exists().where(items.c.source_key == rows.source_key)
            for items in (schema.item_pictures, schema.more_pictures)
        )
    )
    ready, failed = rows.thumbnail.is_not(None), rows.tries > 0
    state = sa.case((ready, "ready"), (failed, "failed"), else_="waiting").label("state")
    query = (
        sa.select(state, sa.func.count().label("num"))
        .where(is_used, rows.host != "")
        .group_by(state)
    )
    with ledger.read() as connection:
        found = {row.state: int(row.num) for row in connection.execute(query)}
    return PictureCounts(
        ready=found.get("ready", 0), failed=found.get("failed", 0), waiting=found.get("waiting", 0)
    )
