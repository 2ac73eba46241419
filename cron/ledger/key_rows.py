"""The gateway's API keys: made, listed and revoked.

A revoked key keeps its row, so its name is not given again, and a gateway whose last key was
revoked does not open for callers without one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from cron.api_keys import ApiKey, Role
from cron.errors import KeyNameInUse, UnknownKey
from cron.ledger import schema
from cron.ledger.ledger import Ledger


def add(
    ledger: Ledger,
    name: str,
    digest: str,
    *,
    roles: Sequence[Role],
    origins: Sequence[str],
    created_by: str,
) -> ApiKey:
    """Store a new key by its digest; raise KeyNameInUse."""
    key = ApiKey(
        name=name,
        digest=digest,
        roles=tuple(roles),
        origins=tuple(origins),
        created_at=ledger.now(),
        created_by=created_by,
    )
    with ledger.write() as connection:
        if any(one.name == name for one in _keys(connection)):
            raise KeyNameInUse(name)
        connection.execute(
            schema.api_keys.insert().values(
                name=name,
                digest=digest,
                roles=json.dumps(key.roles),
                origins=json.dumps(key.origins),
                created_at=key.created_at.isoformat(),
                created_by=created_by,
            )
        )
    return key


def every(ledger: Ledger) -> tuple[ApiKey, ...]:
    """Return all keys, the revoked ones too, by name."""
    with ledger.read() as connection:
        return _keys(connection)


def revoke(ledger: Ledger, name: str) -> None:
    """Revoke a key; raise UnknownKey. A key that was revoked before stays as it is."""
    with ledger.write() as connection:
        keys = _keys(connection)
        if all(one.name != name for one in keys):
            raise UnknownKey(name, known=[one.name for one in keys])
        is_valid = (schema.api_keys.c.name == name) & schema.api_keys.c.revoked_at.is_(None)
        connection.execute(
            schema.api_keys.update().where(is_valid).values(revoked_at=ledger.now().isoformat())
        )


def _keys(connection: sa.Connection) -> tuple[ApiKey, ...]:
    rows = connection.execute(sa.select(schema.api_keys))
    keys = [
        ApiKey(
            name=row.name,
            digest=row.digest,
            roles=tuple(json.loads(row.roles)),
            origins=tuple(json.loads(row.origins)),
            created_at=datetime.fromisoformat(row.created_at),
            created_by=row.created_by,
            revoked_at=datetime.fromisoformat(row.revoked_at) if row.revoked_at else None,
        )
        for row in rows
    ]
    # not by the database, whose order of text depends on its locale
    return tuple(sorted(keys, key=lambda key: key.name))
