"""The tables of slates: the files that hold them, and how many were collected."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "slate_segments",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("first_at", sa.Text, nullable=False),
        sa.Column("last_at", sa.Text, nullable=False),
        sa.Column("num_slates", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("is_dropped", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "slate_hours",
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("num_slates", sa.BigInteger, nullable=False),
        sa.Column("num_fallbacks", sa.BigInteger, nullable=False),
    )
