"""Segments record the memory that their rows take, by which small ones are merged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; it is 0 for existing segments until they are merged."""
    op.add_column(
        "segments", sa.Column("size_bytes", sa.BigInteger, nullable=False, server_default="0")
    )
