"""Several pictures of an item; pictures that are checked again, and thumbnails to delete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_FIRST_CHECK = timedelta(weeks=1)  # of the pictures that are ready now, not all of them at once


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("pictures", sa.Column("is_extra", sa.Integer, nullable=False, server_default="0"))
    for name in ("etag", "modified", "dropped"):
        op.add_column("pictures", sa.Column(name, sa.Text))
    op.drop_index("pictures_due", "pictures")
    _partial_index("pictures_waiting", ["host", "is_extra", "due_at"], "thumbnail IS NULL")
    _partial_index("pictures_to_check", ["host", "due_at"], "thumbnail IS NOT NULL")
    _partial_index("pictures_dropped", [], "dropped IS NOT NULL")
    op.create_index("pictures_thumbnail", "pictures", ["thumbnail"])
    pictures = sa.table("pictures", sa.column("due_at"), sa.column("thumbnail"))
    due_at = (datetime.now(UTC) + _FIRST_CHECK).isoformat()
    ready = pictures.c.thumbnail.is_not(None)
    op.execute(pictures.update().where(ready).values(due_at=due_at))
    op.create_table(
        "more_pictures",
        sa.Column("item_id", sa.Text, primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("source_key", sa.Text, nullable=False),
    )
    op.create_index("more_pictures_source", "more_pictures", ["source_key"])


def _partial_index(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(
        name,
        "pictures",
        [*columns, "source_key"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
