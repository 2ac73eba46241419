"""The table of posteriors: what the rewards of shown items say, as it changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "posteriors",
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("cursor", sa.Text, nullable=False),
        sa.Column("read_at", sa.Text, nullable=False),
        sa.Column("num_lists", sa.BigInteger, nullable=False),
        sa.Column("num_rewards", sa.BigInteger, nullable=False),
        sa.Column("num_items", sa.BigInteger, nullable=False),
        sa.Column("item_ids", sa.Text, nullable=False),
        sa.Column("sums", sa.LargeBinary, nullable=False),
    )
