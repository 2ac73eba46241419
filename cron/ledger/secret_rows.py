"""The installation's secrets, drawn by a migration: never shown, never changed."""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa

from cron.ledger import schema
from cron.ledger.ledger import Ledger


def secret(ledger: Ledger, name: Literal["panel", "user_keys"]) -> str:
    """Return a secret by name, 64 hexadecimal digits."""
    with ledger.read() as connection:
        query = sa.select(schema.secrets.c.value).where(schema.secrets.c.name == name)
        return str(connection.execute(query).scalar_one())
