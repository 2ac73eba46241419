"""The tables of the first ledgers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables, and the row of those that have only one."""
    _journal()
    _runs()
    _releases()
    op.create_table(
        "figures",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Float, nullable=False),
    )
    for table in ("desk", "lease"):
        op.execute(f"INSERT INTO {table} (id) VALUES (1)")


def _journal() -> None:
    op.create_table(
        "segments",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("first_seq", sa.BigInteger, nullable=False, unique=True),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("num_events", sa.BigInteger, nullable=False),
        sa.Column("num_items", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.Text, nullable=False),
    )
    op.create_table(
        "desk",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("log_cursor", sa.Text, nullable=False, server_default=""),
        sa.Column("last_seq", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("next_version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("live", sa.Integer),
        sa.Column("switching_to", sa.Integer),
        sa.Column("switch_kind", sa.Text),
        sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
        sa.Column("hold_reason", sa.Text),
        sa.Column("hold_since", sa.Text),
    )
    op.create_table(
        "lease",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False, server_default=""),
        sa.Column("token", sa.Integer, nullable=False, server_default="0"),
        sa.Column("expires_at", sa.Text, nullable=False, server_default=""),
    )
    op.create_table(
        "excluded",
        sa.Column("first_seq", sa.BigInteger, primary_key=True),
        sa.Column("last_seq", sa.BigInteger, primary_key=True),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("mode", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("reasons", sa.Text, nullable=False, server_default="[]"),
        sa.Column("figures", sa.Text, nullable=False, server_default="{}"),
        sa.Column("supersedes", sa.Integer),
        sa.Column("version", sa.Integer),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("ended_at", sa.Text),
        sa.Column("count", sa.Integer, nullable=False, server_default="1"),
    )
    op.create_table(
        "steps",
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("step", sa.Text, primary_key=True),
        sa.Column("output", sa.Text, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
    )


def _releases() -> None:
    op.create_table(
        "releases",
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("published_at", sa.Text),
        sa.Column("rolled_back_at", sa.Text),
        sa.Column("archive_gone", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "quality",
        sa.Column("run_id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer),
        sa.Column("ndcg", sa.Float, nullable=False),
        sa.Column("rmse", sa.Float),
        sa.Column("num_users", sa.Integer, nullable=False),
        sa.Column("num_events", sa.Integer, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )
