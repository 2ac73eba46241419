"""Tables for users who asked to be forgotten, by keyed hash, and for the key."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables and draw the key."""
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "forgotten",
        sa.Column("user_key", sa.Text, primary_key=True),
        sa.Column("up_to_us", sa.BigInteger, nullable=False),
        sa.Column("through_seq", sa.BigInteger, nullable=False),
        sa.Column("asked_at", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("erased_at", sa.Text),
        sa.Column("num_erased", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_index(
        "not_erased",
        "forgotten",
        ["user_key"],
        sqlite_where=sa.text("erased_at IS NULL"),
        postgresql_where=sa.text("erased_at IS NULL"),
    )
    op.get_bind().execute(
        sa.text("INSERT INTO secrets (name, value) VALUES ('user_keys', :value)"),
        {"value": secrets.token_hex(32)},
    )
