"""Side versions: those that stay loaded beside the live one, because something needs them.

An experiment between releases needs the release of each arm, and a trial needs its candidate. The
worker keeps them loaded on every node, after restarts too, and keeps their archives.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cron.errors import NoArchive, TooManySideVersions, UnknownVersion
from cron.ledger import schema
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Manifest, manifest_from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class SideVersion:
    """A version, and what needs it: `trial`, or the name of an experiment."""

    version: int
    needed_by: str
    since: datetime


def add(
    ledger: Ledger, version: int, needed_by: str, *, limit: int, lease: Lease | None = None
) -> None:
    """Have a version loaded beside the live one; a repeated call changes nothing.

    Of the versions that are not live, at most `limit` are side versions. Raise UnknownVersion,
    NoArchive or TooManySideVersions.
    """
    table = schema.side_versions
    with ledger.write(lease) as connection:
        live = connection.execute(sa.select(schema.desk.c.live).with_for_update()).scalar_one()
        _check_archive(connection, version)
        found = {(row.version, row.needed_by) for row in connection.execute(sa.select(table))}
        if (version, needed_by) in found:
            return
        beside = {other for other, _ in found} - {live}
        if version != live and version not in beside and len(beside) >= limit:
            raise TooManySideVersions(version, limit=limit, taken=sorted(beside))
        values = {"version": version, "needed_by": needed_by, "since": ledger.now().isoformat()}
        connection.execute(table.insert().values(values))


def remove(ledger: Ledger, needed_by: str, *, lease: Lease | None = None) -> None:
    """Give up all versions that something needed.

    The worker unloads them after the next run, and gateways may ask for them until then.
    """
    table = schema.side_versions
    with ledger.write(lease) as connection:
        connection.execute(table.delete().where(table.c.needed_by == needed_by))


def every(ledger: Ledger) -> tuple[SideVersion, ...]:
    """Return all, the earliest first; a version is there once for each thing that needs it."""
    table = schema.side_versions
    query = sa.select(table).order_by(table.c.since, table.c.version, table.c.needed_by)
    with ledger.read() as connection:
        return tuple(
            SideVersion(
                version=row.version,
                needed_by=row.needed_by,
                since=datetime.fromisoformat(row.since),
            )
            for row in connection.execute(query)
        )


def manifests(ledger: Ledger) -> tuple[Manifest, ...]:
    """Return the manifest of each side version, the earliest first."""
    versions = dict.fromkeys(one.version for one in every(ledger))
    table = schema.releases
    query = sa.select(table.c.version, table.c.manifest).where(table.c.version.in_([*versions]))
    with ledger.read() as connection:
        texts = {row.version: row.manifest for row in connection.execute(query)}
    return tuple(manifest_from_json(texts[version]) for version in versions if version in texts)


def _check_archive(connection: sa.Connection, version: int) -> None:
    table = schema.releases
    query = sa.select(table.c.archive_gone).where(table.c.version == version)
    is_gone = connection.execute(query).scalar_one_or_none()
    if is_gone is None:
        raise UnknownVersion(version, known=schema.newest_versions(connection))
    if is_gone:
        raise NoArchive(version)
