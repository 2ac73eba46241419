"""How many texts about items were shown, and the briefs that editors decided on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Create the table and fill the column from the texts that are known."""
    op.create_table(
        "copy_shown",
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("num_texts", sa.BigInteger, nullable=False),
    )
    op.add_column("copy_edits", sa.Column("content", sa.Text, nullable=False, server_default=""))
    edits = sa.table("copy_edits", sa.column("brief"), sa.column("content"))
    texts = sa.table("copy_texts", sa.column("brief"), sa.column("content"))
    known = sa.select(sa.func.min(texts.c.content)).where(texts.c.brief == edits.c.brief)
    op.execute(edits.update().values(content=sa.func.coalesce(known.scalar_subquery(), "")))
