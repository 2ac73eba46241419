"""The tables of experiments: what was started and stopped, what was measured, and how fast."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "experiments",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("draft", sa.Text, nullable=False),
        sa.Column("range_begin", sa.Float, nullable=False),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("started_by", sa.Text, nullable=False),
        sa.Column("after_seq", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.Text),
        sa.Column("ended_by", sa.Text),
        sa.Column("why", sa.Text),
        sa.Column("winner", sa.Text),
        sa.Column("measured_at", sa.Text),
        sa.Column("measured", sa.Text),
    )
    op.create_table(
        "arm_answers",
        sa.Column("experiment", sa.Text, primary_key=True),
        sa.Column("arm", sa.Text, primary_key=True),
        sa.Column("num_answers", sa.BigInteger, nullable=False),
        sa.Column("num_errors", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("seconds_2", sa.Float, nullable=False),
    )
