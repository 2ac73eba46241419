"""The tables of the Personalizer calls: choices that wait for rewards, and the model."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "ranked_events",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("slot_id", sa.Text, primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("reward", sa.Float),
        sa.Column("example", sa.LargeBinary, nullable=False),
    )
    op.create_index("ranked_at", "ranked_events", ["at"])
    is_rewarded = sa.text("reward IS NOT NULL")
    op.create_index(
        "rewarded",
        "ranked_events",
        ["event_id"],
        sqlite_where=is_rewarded,
        postgresql_where=is_rewarded,
    )
    op.create_table(
        "contextual_models",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("num_learned", sa.BigInteger, nullable=False),
        sa.Column("weights", sa.LargeBinary, nullable=False),
        sa.Column("totals", sa.Text, nullable=False),
    )
