"""Ended runs keep nothing that only an open run needs; it was most of the ledger."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Empty the step outputs of ended runs, and the popular items of releases without archive."""
    op.execute(
        "UPDATE steps SET output = '{}'"
        " WHERE run_id IN (SELECT run_id FROM runs WHERE outcome IS NOT NULL)"
    )
    releases = sa.table(
        "releases",
        sa.column("version"),
        sa.column("manifest"),
        sa.column("archive_gone", sa.Boolean),
    )
    connection = op.get_bind()
    gone = (
        connection.execute(sa.select(releases.c.version).where(releases.c.archive_gone.is_(True)))
        .scalars()
        .all()
    )
    for version in gone:  # one by one: a year's manifests are gigabytes
        row = releases.c.version == version
        values = json.loads(
            connection.execute(sa.select(releases.c.manifest).where(row)).scalar_one()
        )
        slim = json.dumps({**values, "popular": []}, ensure_ascii=False, indent=1, sort_keys=True)
        connection.execute(releases.update().where(row).values(manifest=slim))
