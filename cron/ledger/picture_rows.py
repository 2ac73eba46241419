"""The pictures of items: which the worker has to fetch, when, and what became of it.

A picture is one row by the sha256 of its name, however many items have it. It is ready when it has
a thumbnail. Each change of a row has a number, so that an update reads what changed since its
parent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cron.ledger import schema
from cron.ledger.ledger import Ledger
from cron.lineage import Lease

_IDS_AT_ONCE = 500  # SQLite takes some thousand values in a statement


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPicture:
    """The main picture of an item by one of its records; None if that has none."""

    item_id: str
    source: str | None
    host: str
    at: datetime
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPicture:
    """A picture to fetch, and how often that failed."""

    source: str
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPicture:
    """What became of fetching: the sha256 of a thumbnail, or why there is none and what is next."""

    source: str
    thumbnail: str | None
    why: str | None = None
    due_at: datetime | None = None


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


def through_seq(ledger: Ledger) -> int:
    """Return the last journal number whose items' pictures are in the tables."""
    with ledger.read() as connection:
        return int(connection.execute(sa.select(schema.picture_place.c.through_seq)).scalar_one())


def num_changes(ledger: Ledger) -> int:
    """Return the number of the newest change."""
    with ledger.read() as connection:
        return int(connection.execute(sa.select(schema.picture_place.c.changes)).scalar_one())


def note_items(ledger: Ledger, items: Sequence[ItemPicture], *, through: int, lease: Lease) -> None:
    """Store the pictures of item records up to a journal number, each item once; idempotent.

    The record with the greatest (at, event_id) counts, as everywhere.
    """
    with ledger.write(lease) as connection:
        change = _next_change(connection, through=through)
        stored = _stored_rows(connection, [one.item_id for one in items])
        newest = _newer_ones(items, stored)
        _add_sources(connection, newest, change, due_at=ledger.now().isoformat())
        rows = schema.item_pictures
        for start in range(0, len(newest), _IDS_AT_ONCE):
            part = newest[start : start + _IDS_AT_ONCE]
            ids = [one.item_id for one in part]
            connection.execute(rows.delete().where(rows.c.item_id.in_(ids)))
            values = [_item_row(one, stored.get(one.item_id), change) for one in part]
            connection.execute(rows.insert(), values)


def due(ledger: Ledger, hosts: Collection[str], *, limit: int) -> tuple[WaitingPicture, ...]:
    """Return pictures to fetch now from these hosts, which some item has, the longest due first.

    The index has the order of one host, so a million pictures of others cost nothing.
    """
    rows, items = schema.pictures.c, schema.item_pictures.c
    is_used = sa.exists().where(items.source_key == rows.source_key)
    query = (
        sa.select(rows.due_at, rows.source, rows.tries)
        .where(rows.thumbnail.is_(None), rows.host == sa.bindparam("a_host"))
        .where(rows.due_at <= ledger.now().isoformat(), is_used)
        .order_by(rows.due_at, rows.source_key)
        .limit(limit)
    )
    found: list[schema.Row] = []
    with ledger.read() as connection:
        for host in sorted(hosts):
            found.extend(connection.execute(query, {"a_host": host}))
    found.sort(key=lambda row: str(row.due_at))
    return tuple(WaitingPicture(source=row.source, tries=row.tries) for row in found[:limit])


def record(ledger: Ledger, fetched: Sequence[FetchedPicture], *, lease: Lease) -> None:
    """Store what became of pictures, all in one transaction."""
    rows = schema.pictures
    with ledger.write(lease) as connection:
        change = _next_change(connection)
        for one in fetched:
            values: dict[str, object] = {"why": one.why, "changed": change}
            if one.thumbnail is not None:
                values["thumbnail"] = one.thumbnail
            else:
                values["tries"] = rows.c.tries + 1
            if one.due_at is not None:
                values["due_at"] = one.due_at.isoformat()
            is_this = rows.c.source_key == source_key(one.source)
            connection.execute(rows.update().where(is_this).values(**values))


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


def count(ledger: Ledger) -> PictureCounts:
    """Count the pictures that some item has."""
    rows, items = schema.pictures.c, schema.item_pictures.c
    is_used = sa.exists().where(items.source_key == rows.source_key)
    ready, failed = rows.thumbnail.is_not(None), rows.tries > 0
    state = sa.case((ready, "ready"), (failed, "failed"), else_="waiting").label("state")
    query = sa.select(state, sa.func.count().label("num")).where(is_used).group_by(state)
    with ledger.read() as connection:
        found = {row.state: int(row.num) for row in connection.execute(query)}
    return PictureCounts(
        ready=found.get("ready", 0), failed=found.get("failed", 0), waiting=found.get("waiting", 0)
    )


def source_key(source: str) -> str:
    """Return the key of a picture's row: the sha256 of its name."""
    return hashlib.sha256(source.encode()).hexdigest()


def _next_change(connection: sa.Connection, *, through: int | None = None) -> int:
    place = schema.picture_place
    values: dict[str, object] = {"changes": place.c.changes + 1}
    if through is not None:
        values["through_seq"] = through
    connection.execute(place.update().values(**values))
    return int(connection.execute(sa.select(place.c.changes)).scalar_one())


def _stored_rows(connection: sa.Connection, ids: Sequence[str]) -> dict[str, schema.Row]:
    rows, stored = schema.item_pictures, dict[str, schema.Row]()
    for start in range(0, len(ids), _IDS_AT_ONCE):
        part = rows.c.item_id.in_(ids[start : start + _IDS_AT_ONCE])
        stored |= {row.item_id: row for row in connection.execute(sa.select(rows).where(part))}
    return stored


def _newer_ones(
    items: Sequence[ItemPicture], stored: Mapping[str, schema.Row]
) -> list[ItemPicture]:
    """Return the newest record of each item, without those that are older than the stored one.

    An item that never had a picture needs no row.
    """
    newest: dict[str, ItemPicture] = {}
    for one in items:
        known = newest.get(one.item_id)
        if known is None or (known.at, known.event_id) < (one.at, one.event_id):
            newest[one.item_id] = one
    return [one for one in newest.values() if _is_news(one, stored.get(one.item_id))]


def _is_news(one: ItemPicture, stored: schema.Row | None) -> bool:
    if stored is None:
        return one.source is not None
    return (stored.at, stored.event_id) < (one.at.isoformat(), one.event_id)


def _add_sources(
    connection: sa.Connection, items: Sequence[ItemPicture], change: int, *, due_at: str
) -> None:
    rows = schema.pictures
    new = {_key_of(one): one for one in items if one.source is not None}
    keys = [key for key in new if key is not None]
    for start in range(0, len(keys), _IDS_AT_ONCE):
        part = keys[start : start + _IDS_AT_ONCE]
        query = sa.select(rows.c.source_key).where(rows.c.source_key.in_(part))
        known = set(connection.execute(query).scalars())
        missing = [key for key in part if key not in known]
        if missing:
            values = [
                {
                    "source_key": key,
                    "source": new[key].source,
                    "host": new[key].host,
                    "due_at": due_at,
                    "changed": change,
                }
                for key in missing
            ]
            connection.execute(rows.insert(), values)


def _item_row(one: ItemPicture, stored: schema.Row | None, change: int) -> dict[str, object]:
    """Return an item's row; a newer record with the same picture is no change."""
    is_same = stored is not None and stored.source_key == _key_of(one)
    return {
        "item_id": one.item_id,
        "source_key": _key_of(one),
        "at": one.at.isoformat(),
        "event_id": one.event_id,
        "changed": stored.changed if stored is not None and is_same else change,
    }


def _key_of(one: ItemPicture) -> str | None:
    return None if one.source is None else source_key(one.source)
