"""The secret that keys the panel of judged users; drawn here, never changed."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Draw the secret."""
    op.get_bind().execute(
        sa.text("INSERT INTO secrets (name, value) VALUES ('panel', :value)"),
        {"value": secrets.token_hex(32)},
    )
