"""Versions that are loaded beside the live one, and the trials of candidates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "side_versions",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("needed_by", sa.Text, primary_key=True),
        sa.Column("since", sa.Text, nullable=False),
    )
    op.create_table(
        "trials",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("run_id", sa.Integer, nullable=False),
        sa.Column("live", sa.Integer, nullable=False),
        sa.Column("canary_share", sa.Float, nullable=False),
        sa.Column("shadow_share", sa.Float, nullable=False),
        sa.Column("after_seq", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("ended_at", sa.Text),
        sa.Column("verdict", sa.Text),
        sa.Column("why", sa.Text),
        sa.Column("measured_at", sa.Text),
        sa.Column("measured", sa.Text),
    )
    op.create_table(
        "shadow_answers",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("num_compared", sa.BigInteger, nullable=False),
        sa.Column("num_errors", sa.BigInteger, nullable=False),
        sa.Column("num_dropped", sa.BigInteger, nullable=False),
        sa.Column("overlap", sa.Float, nullable=False),
        sa.Column("rank_overlap", sa.Float, nullable=False),
        sa.Column("live_seconds", sa.Float, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
    )
