"""Segments of slates record in how many chance had a part; when that was measured last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add the columns; both are null until the next measurement of what exploring costs."""
    op.add_column("slate_segments", sa.Column("explored", sa.Text))
    op.add_column("desk", sa.Column("exploration_measured_at", sa.Text))
