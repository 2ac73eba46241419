"""The pictures of items: which the worker has to fetch, when, and what became of it.

A picture is one row by the sha256 of its name, however many items have it. It is ready when it has
a thumbnail, and is checked again later. Each change of a row has a number, so that an update reads
what changed since its parent. `item_pictures` has what items show.
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
class NamedPicture:
    """The name of a picture, and the place where it is; without a place it is never fetched."""

    source: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPicture:
    """The pictures of an item by one of its records.

    `source` is the main one, None if the record has none; `more` are the others.
    """

    item_id: str
    source: str | None
    host: str
    at: datetime
    event_id: str
    more: tuple[NamedPicture, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPicture:
    """A picture to fetch, or to check if it has a thumbnail; and how often that failed.

    `etag` and `modified` are what the server said of it the last time.
    """

    source: str
    tries: int
    thumbnail: str | None = None
    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPicture:
    """What became of fetching: the sha256 of a thumbnail, or why there is none.

    Without a thumbnail a picture that was ready keeps its own.
    """

    source: str
    thumbnail: str | None
    why: str | None = None
    due_at: datetime | None = None
    etag: str | None = None
    modified: str | None = None


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
        for start in range(0, len(newest), _IDS_AT_ONCE):
            part = newest[start : start + _IDS_AT_ONCE]
            before = _keys_of_items(connection, [one.item_id for one in part])
            _replace_items(connection, part, stored, change)
            _drop_unused(connection, before)


def due(
    ledger: Ledger, hosts: Collection[str], *, checked: Collection[str] = (), limit: int
) -> tuple[WaitingPicture, ...]:
    """Return pictures to fetch now from these hosts, the longest due first; then those to check.

    Main pictures come before others. Those that are ready are checked on the hosts of `checked`.
    The indices have the order of one host, so a million pictures of others cost nothing.
    """
    rows = schema.pictures.c
    is_waiting = rows.thumbnail.is_(None)
    kinds = (
        (sa.and_(is_waiting, rows.is_extra == 0), hosts),
        (sa.and_(is_waiting, rows.is_extra == 1), hosts),
        (rows.thumbnail.is_not(None), checked),
    )
    query = (
        sa.select(rows.due_at, *(rows[name] for name in WaitingPicture.__dataclass_fields__))
        .where(rows.host == sa.bindparam("a_host"), _is_used())
        .where(rows.due_at <= ledger.now().isoformat())
        .order_by(rows.due_at, rows.source_key)
        .limit(limit)
    )
    found: list[schema.Row] = []
    with ledger.read() as connection:
        for kind, of_hosts in kinds:
            of_kind: list[schema.Row] = []
            for host in sorted(of_hosts):
                of_kind.extend(connection.execute(query.where(kind), {"a_host": host}))
            found.extend(sorted(of_kind, key=lambda row: str(row.due_at)))
            if len(found) >= limit:
                break
    return tuple(map(_waiting_picture, found[:limit]))


def record(ledger: Ledger, fetched: Sequence[FetchedPicture], *, lease: Lease) -> None:
    """Store what became of pictures, all in one transaction.

    A thumbnail that is the same as before is no change.
    """
    rows = schema.pictures
    with ledger.write(lease) as connection:
        change = _next_change(connection)
        for one in fetched:
            values: dict[str, object] = {"why": one.why}
            if one.thumbnail is not None:
                is_new = rows.c.thumbnail.is_distinct_from(one.thumbnail)
                is_replaced = sa.and_(is_new, rows.c.thumbnail.is_not(None))
                values |= {"thumbnail": one.thumbnail, "tries": 0}
                values |= {"etag": one.etag, "modified": one.modified}
                values["changed"] = sa.case((is_new, change), else_=rows.c.changed)
                values["dropped"] = sa.case((is_replaced, rows.c.thumbnail), else_=rows.c.dropped)
            else:
                values["tries"] = rows.c.tries + 1
            if one.due_at is not None:
                values["due_at"] = one.due_at.isoformat()
            is_this = rows.c.source_key == source_key(one.source)
            connection.execute(rows.update().where(is_this).values(**values))


def dropped_thumbnails(ledger: Ledger, *, limit: int) -> Mapping[str, bool]:
    """Return thumbnails that were dropped, and of each whether another picture has it."""
    rows, others = schema.pictures, schema.pictures.alias()
    is_needed = sa.exists().where(others.c.thumbnail == rows.c.dropped).label("is_needed")
    query = sa.select(rows.c.dropped, is_needed).where(rows.c.dropped.is_not(None)).limit(limit)
    with ledger.read() as connection:
        return {row.dropped: bool(row.is_needed) for row in connection.execute(query)}


def forget_dropped(ledger: Ledger, thumbnails: Collection[str], *, lease: Lease) -> None:
    """Store that dropped thumbnails are deleted, or another picture's; at most some hundred."""
    rows = schema.pictures
    done = rows.c.dropped.in_(sorted(thumbnails))
    with ledger.write(lease) as connection:
        unused = sa.and_(rows.c.thumbnail.is_(None), ~_is_used())
        connection.execute(rows.delete().where(done, unused))
        connection.execute(rows.update().where(done).values(dropped=None))


def unused_sources(ledger: Ledger, sources: Sequence[str]) -> list[str]:
    """Return those of some pictures that no item has, in their order."""
    rows, used = schema.pictures.c, set[str]()
    with ledger.read() as connection:
        for start in range(0, len(sources), _IDS_AT_ONCE):
            keys = [source_key(one) for one in sources[start : start + _IDS_AT_ONCE]]
            query = sa.select(rows.source).where(rows.source_key.in_(keys), _is_used())
            used.update(connection.execute(query).scalars())
    return [one for one in sources if one not in used]


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


def _keys_of_items(connection: sa.Connection, ids: Sequence[str]) -> set[str]:
    """Return the pictures that some items have."""
    main, more = schema.item_pictures.c, schema.more_pictures.c
    found = set(
        connection.execute(
            sa.select(main.source_key).where(main.item_id.in_(ids), main.source_key.is_not(None))
        ).scalars()
    )
    query = sa.select(more.source_key).where(more.item_id.in_(ids))
    return found | set(connection.execute(query).scalars())


def _replace_items(
    connection: sa.Connection,
    items: Sequence[ItemPicture],
    stored: Mapping[str, schema.Row],
    change: int,
) -> None:
    ids = [one.item_id for one in items]
    for rows in (schema.item_pictures, schema.more_pictures):
        connection.execute(rows.delete().where(rows.c.item_id.in_(ids)))
    main = [_item_row(one, stored.get(one.item_id), change) for one in items]
    connection.execute(schema.item_pictures.insert(), main)
    more = [
        {"item_id": one.item_id, "place": place, "source_key": source_key(other.source)}
        for one in items
        for place, other in enumerate(one.more, 1)
    ]
    if more:
        connection.execute(schema.more_pictures.insert(), more)


def _drop_unused(connection: sa.Connection, keys: set[str]) -> None:
    """Drop the thumbnails of those pictures that no item has any more, and rows without one.

    An item that has such a picture again later waits for it as for a new one.
    """
    rows = schema.pictures
    ordered = sorted(keys)
    for start in range(0, len(ordered), _IDS_AT_ONCE):
        part = rows.c.source_key.in_(ordered[start : start + _IDS_AT_ONCE])
        unused = sa.and_(part, ~_is_used())
        is_bare = sa.and_(rows.c.thumbnail.is_(None), rows.c.dropped.is_(None))
        connection.execute(rows.delete().where(unused, is_bare))
        values = {"dropped": rows.c.thumbnail, "thumbnail": None, "etag": None, "modified": None}
        has_one = rows.c.thumbnail.is_not(None)
        connection.execute(rows.update().where(unused, has_one).values(**values))


def _is_used() -> sa.ColumnElement[bool]:
    """Return whether some item has a picture."""
    key = schema.pictures.c.source_key
    return sa.or_(
        sa.exists().where(schema.item_pictures.c.source_key == key),
        sa.exists().where(schema.more_pictures.c.source_key == key),
    )


def _waiting_picture(row: schema.Row) -> WaitingPicture:
    return WaitingPicture(
        source=row.source,
        tries=row.tries,
        thumbnail=row.thumbnail,
        etag=row.etag,
        modified=row.modified,
    )


def _add_sources(
    connection: sa.Connection, items: Sequence[ItemPicture], change: int, *, due_at: str
) -> None:
    rows = schema.pictures
    extra = {source_key(other.source): other for one in items for other in one.more}
    main = {
        source_key(one.source): NamedPicture(source=one.source, host=one.host)
        for one in items
        if one.source is not None
    }
    new = extra | main
    keys = list(new)
    for start in range(0, len(keys), _IDS_AT_ONCE):
        part = keys[start : start + _IDS_AT_ONCE]
        query = sa.select(rows.c.source_key).where(rows.c.source_key.in_(part))
        known = set(connection.execute(query).scalars())
        was_nowhere = sa.and_(rows.c.source_key.in_(part), rows.c.host == "")
        for row in connection.execute(sa.select(rows.c.source_key).where(was_nowhere)).all():
            is_this = rows.c.source_key == row.source_key
            connection.execute(rows.update().where(is_this).values(host=new[row.source_key].host))
        became_main = rows.c.source_key.in_([key for key in part if key in main])
        connection.execute(
            rows.update().where(became_main, rows.c.is_extra == 1).values(is_extra=0)
        )
        values = [
            {
                "source_key": key,
                "source": new[key].source,
                "host": new[key].host,
                "due_at": due_at,
                "changed": change,
                "is_extra": int(key not in main),
            }
            for key in part
            if key not in known
        ]
        if values:
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
