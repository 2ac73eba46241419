"""The tables of texts about items: the texts, what editors decided, the writers, their cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "copy_texts",
        sa.Column("brief", sa.Text, primary_key=True),
        sa.Column("writer", sa.Text, primary_key=True),
        sa.Column("text", sa.Text),
        sa.Column("rejected", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("made_at", sa.Text, nullable=False),
    )
    op.create_index("copy_texts_made", "copy_texts", ["made_at"])
    op.create_table(
        "copy_edits",
        sa.Column("brief", sa.Text, primary_key=True),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("edited_at", sa.Text, nullable=False),
        sa.Column("edited_by", sa.Text, nullable=False),
    )
    op.create_table(
        "copy_writers",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Integer),
        sa.Column("archive", sa.Text),
        sa.Column("verdict", sa.Text),
        sa.Column("added_at", sa.Text, nullable=False),
        sa.Column("live_at", sa.Text),
    )
    _create_counts()


def _create_counts() -> None:
    op.create_table(
        "copy_hours",
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("cost", sa.Float, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("num_written", sa.BigInteger, nullable=False),
        sa.Column("num_templates", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "copy_rules",
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("num_texts", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "copy_wanted",
        sa.Column("brief", sa.Text, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("num_wanted", sa.BigInteger, nullable=False),
        sa.Column("wanted_at", sa.Text, nullable=False),
    )
