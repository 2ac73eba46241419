"""The tables of pictures: which items have which, and what became of fetching them."""

from __future__ import annotations

import sqlalchemy as sa

from cron.ledger.experiment_tables import metadata

# pictures by the sha256 of their names; tries: those that failed since the last that did not;
# due_at: when to fetch or check it; changed: the number of the change that made the row what it
# is; is_extra: 1 if no item has it as its main picture; etag, modified: what the server said of
# the thumbnail's original; dropped: a thumbnail that this row no longer needs
pictures = sa.Table(
    "pictures",
    metadata,
    sa.Column("source_key", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("thumbnail", sa.Text),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", sa.Text, nullable=False),
    sa.Column("why", sa.Text),
    sa.Column("changed", sa.BigInteger, nullable=False),
    sa.Column("is_extra", sa.Integer, nullable=False, server_default="0"),
    sa.Column("etag", sa.Text),
    sa.Column("modified", sa.Text),
    sa.Column("dropped", sa.Text),
)
_IS_WAITING = pictures.c.thumbnail.is_(None)
sa.Index(
    "pictures_waiting",
    pictures.c.host,
    pictures.c.is_extra,
    pictures.c.due_at,
    pictures.c.source_key,
    sqlite_where=_IS_WAITING,
    postgresql_where=_IS_WAITING,
)
_IS_READY = pictures.c.thumbnail.is_not(None)
sa.Index(
    "pictures_to_check",
    pictures.c.host,
    pictures.c.due_at,
    pictures.c.source_key,
    sqlite_where=_IS_READY,
    postgresql_where=_IS_READY,
)
_IS_DROPPED = pictures.c.dropped.is_not(None)
sa.Index(
    "pictures_dropped",
    pictures.c.source_key,
    sqlite_where=_IS_DROPPED,
    postgresql_where=_IS_DROPPED,
)
sa.Index("pictures_thumbnail", pictures.c.thumbnail)
sa.Index("pictures_changed", pictures.c.changed)

# the main picture of each item that has or had one, by its newest record
item_pictures = sa.Table(
    "item_pictures",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("source_key", sa.Text),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("changed", sa.BigInteger, nullable=False),
)
sa.Index("item_pictures_source", item_pictures.c.source_key)
sa.Index("item_pictures_changed", item_pictures.c.changed)

# the other pictures of items, in their order
more_pictures = sa.Table(
    "more_pictures",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("source_key", sa.Text, nullable=False),
)
sa.Index("more_pictures_source", more_pictures.c.source_key)

# one row, id 1: how far the journal was read for pictures, and how many changes there were
picture_place = sa.Table(
    "picture_place",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("through_seq", sa.BigInteger, nullable=False),
    sa.Column("changes", sa.BigInteger, nullable=False),
)
