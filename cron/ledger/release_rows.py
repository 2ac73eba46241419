"""Archives and releases. An archive becomes a release when it goes live for the first time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from cron.errors import UnknownVersion
from cron.ledger import schema, switches
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Manifest, Release, manifest_from_json, manifest_to_json


def add(ledger: Ledger, manifest: Manifest, *, lease: Lease) -> None:
    """Record an archive that was put into the store; adding the same version again does nothing."""
    with ledger.write(lease) as connection:
        where = schema.releases.c.version == manifest.version
        if connection.execute(sa.select(schema.releases.c.version).where(where)).first() is None:
            values = {"version": manifest.version, "manifest": manifest_to_json(manifest)}
            connection.execute(schema.releases.insert().values(values))


def archive_manifest(ledger: Ledger, version: int) -> Manifest | None:
    """Return the manifest of an archive, released or not."""
    with ledger.read() as connection:
        query = sa.select(schema.releases.c.manifest).where(schema.releases.c.version == version)
        text = connection.execute(query).scalar_one_or_none()
    return manifest_from_json(text) if text is not None else None


def archive_manifests(ledger: Ledger, *, also: Collection[int]) -> list[Manifest]:
    """Return the manifests of the archives still in the store and of the versions in `also`."""
    releases = schema.releases.c
    where = releases.archive_gone.is_(False) | releases.version.in_(also)
    with ledger.read() as connection:
        query = sa.select(releases.manifest).where(where)
        return [manifest_from_json(text) for text in connection.execute(query).scalars()]


def newest_releases(ledger: Ledger, limit: int | None = None) -> tuple[Release, ...]:
    """Return the newest releases by ascending version; without a limit all, maybe 100,000."""
    return _releases(ledger, schema.RELEASED, limit)


def kept_releases(ledger: Ledger) -> tuple[Release, ...]:
    """Return the releases whose archives are still in the store, by ascending version."""
    return _releases(ledger, schema.RELEASED & schema.releases.c.archive_gone.is_(False))


def release(ledger: Ledger, version: int) -> Release:
    """Return one release; raise UnknownVersion."""
    with ledger.read() as connection:
        where = schema.RELEASED & (schema.releases.c.version == version)
        row = connection.execute(sa.select(schema.releases).where(where)).first()
        if row is None:
            raise UnknownVersion(version, known=schema.newest_versions(connection))
    return _release_from(row)


def is_release(ledger: Ledger, version: int) -> bool:
    """Return whether a version is or was live."""
    with ledger.read() as connection:
        query = sa.select(schema.RELEASED).where(schema.releases.c.version == version)
        return connection.execute(query).scalar() is True


def live(ledger: Ledger) -> Release | None:
    """Return the release that should answer; None before the first."""
    with ledger.read() as connection:
        where = schema.releases.c.version == sa.select(schema.desk.c.live).scalar_subquery()
        row = connection.execute(sa.select(schema.releases).where(where)).first()
    return _release_from(row) if row is not None else None


def anchor(ledger: Ledger) -> Release | None:
    """Return the last full retrain in the live release's lineage, which may be the live one."""
    now_live = live(ledger)
    if now_live is None or now_live.manifest.anchor is None:
        return None
    return release(ledger, now_live.manifest.anchor)


def rollback_candidates(ledger: Ledger) -> tuple[Release, ...]:
    """Return the releases that a rollback could make live, best first.

    They were live, were never rolled back from and still have their archive. Those older than the
    live release come first, the newest of them at the front.
    """
    now_live = switches.serving(ledger).live
    good = [
        one
        for one in reversed(kept_releases(ledger))
        if one.rolled_back_at is None and one.version != now_live
    ]
    return tuple(sorted(good, key=lambda one: now_live is not None and one.version > now_live))


def previous_good(ledger: Ledger) -> Release | None:
    """Return what `rollback` without a version makes live: the newest candidate before live."""
    now_live = switches.serving(ledger).live
    for candidate in rollback_candidates(ledger):
        if now_live is None or candidate.version < now_live:
            return candidate
    return None


def mark_archive_gone(ledger: Ledger, version: int, *, lease: Lease) -> bool:
    """Record that an archive is about to be deleted.

    False, and no change, when the version is live by now, a switch to it is under way, or it is a
    side version.
    """
    side = schema.side_versions.c.version
    with ledger.write(lease) as connection:
        desk = connection.execute(sa.select(schema.desk).with_for_update()).one()
        if version in (desk.live, desk.switching_to):
            return False
        if connection.execute(sa.select(side).where(side == version)).first() is not None:
            return False
        where = schema.releases.c.version == version
        connection.execute(schema.releases.update().where(where).values(archive_gone=True))
        return True


def _releases(
    ledger: Ledger, where: sa.ColumnElement[bool], limit: int | None = None
) -> tuple[Release, ...]:
    with ledger.read() as connection:
        query = sa.select(schema.releases).where(where)
        query = query.order_by(schema.releases.c.version.desc()).limit(limit)
        return tuple(_release_from(row) for row in reversed(connection.execute(query).all()))


def _release_from(row: schema.Row) -> Release:
    rolled_back_at = row.rolled_back_at
    return Release(
        version=row.version,
        manifest=manifest_from_json(row.manifest),
        published_at=datetime.fromisoformat(row.published_at),
        rolled_back_at=datetime.fromisoformat(rolled_back_at) if rolled_back_at else None,
        archive_gone=row.archive_gone,
    )
