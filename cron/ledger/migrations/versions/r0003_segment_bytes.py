"""Segments say how much memory their rows take: small ones are merged by that, not by their number of rows alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; 0 for the segments of before, until they are merged."""
    op.add_column(
        "segments", sa.Column("size_bytes", sa.BigInteger, nullable=False, server_default="0")
    )
