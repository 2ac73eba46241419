"""How long devices trained for a run, and what that cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Add the columns; earlier runs have no values."""
    op.add_column("runs", sa.Column("device_s", sa.Float))
    op.add_column("runs", sa.Column("cost", sa.Float))
