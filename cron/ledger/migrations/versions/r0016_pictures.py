"""The tables of pictures: which items have which, and what became of fetching them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "pictures",
        sa.Column("source_key", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("thumbnail", sa.Text),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_at", sa.Text, nullable=False),
        sa.Column("why", sa.Text),
        sa.Column("changed", sa.BigInteger, nullable=False),
    )
    is_waiting = sa.text("thumbnail IS NULL")
    op.create_index(
        "pictures_due",
        "pictures",
        ["host", "due_at", "source_key"],
        sqlite_where=is_waiting,
        postgresql_where=is_waiting,
    )
    op.create_index("pictures_changed", "pictures", ["changed"])
    op.create_table(
        "item_pictures",
        sa.Column("item_id", sa.Text, primary_key=True),
        sa.Column("source_key", sa.Text),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
    )
    op.create_index("item_pictures_source", "item_pictures", ["source_key"])
    op.create_index("item_pictures_changed", "item_pictures", ["changed"])
    op.create_table(
        "picture_place",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("through_seq", sa.BigInteger, nullable=False),
        sa.Column("changes", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO picture_place (id, through_seq, changes) VALUES (1, 0, 0)")
