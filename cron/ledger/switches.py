"""The live version, and the rows that begin and end a switch of it.

Between the two `cron.serving.release` sets the server's default. Every begin raises the epoch, so
that of two switches the later one wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cron.errors import (
    Held,
    LiveChanged,
    RolledBackMeanwhile,
    Superseded,
    TrainedOnExcluded,
    UnknownVersion,
)
from cron.ledger import schema
from cron.ledger.holds import hold_unless_held
from cron.ledger.ledger import Ledger
from cron.lineage import Lease, Range, Serving, Switch, SwitchKind, manifest_from_json


def serving(ledger: Ledger) -> Serving:
    """Return what the model server should serve, read in one transaction."""
    with ledger.read() as connection:
        desk = connection.execute(sa.select(schema.desk)).one()
    switch = None
    if desk.switching_to is not None:
        switch = Switch(version=desk.switching_to, epoch=desk.epoch, kind=desk.switch_kind)
    return Serving(live=desk.live, switch=switch, epoch=desk.epoch)


def under_way(ledger: Ledger) -> Switch | None:
    """Return the change of the live version that is under way."""
    return serving(ledger).switch


def begin_publish(ledger: Ledger, version: int, *, expected: int | None, lease: Lease) -> Switch:
    """Begin to make a new archive live.

    Raise Held when publishing is paused; Superseded when `expected` is no longer live, or the
    version was rolled back from; TrainedOnExcluded when its run used events that a person has
    excluded since.
    """
    with ledger.write(lease) as connection:
        desk = _desk(connection)
        if desk.hold_reason is not None:
            raise Held(reason=desk.hold_reason)
        if desk.live != expected or desk.switching_to not in (None, version, expected):
            raise Superseded(
                expected=expected,
                found=desk.live if desk.switching_to is None else desk.switching_to,
            )
        row = _release(connection, version)
        if row.rolled_back_at is not None or row.archive_gone:
            raise Superseded(expected=expected, found=desk.live)
        manifest = manifest_from_json(row.manifest)
        _refuse_excluded(connection, manifest.target_range, manifest.excluded)
        return _begin(connection, version, "publish")


def check_wanted(
    ledger: Ledger, *, expected: int | None, target_range: Range | None, excluded: Sequence[Range]
) -> None:
    """Raise Held, Superseded or TrainedOnExcluded when a run's result could not be published.

    A restore that is under way, which the worker itself began, decides nothing.
    """
    with ledger.read() as connection:
        desk = connection.execute(sa.select(schema.desk)).one()
        if desk.hold_reason is not None:
            raise Held(reason=desk.hold_reason)
        by_a_person = _is_by_a_person(desk)
        decided = desk.switching_to if by_a_person else desk.live
        if (by_a_person or desk.switching_to is None) and decided != expected:
            raise Superseded(expected=expected, found=decided)
        _refuse_excluded(connection, target_range, excluded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What somebody who decides saw live, if it is known, and when that was."""

    at: datetime
    live: int | None = None


def begin_rollback(
    ledger: Ledger,
    version: int,
    *,
    reason: str,
    asked: Seen | None = None,
    seen_live: int | None = None,
) -> Switch:
    """Begin a rollback, whatever else is under way, and pause publishing at once.

    `asked` is given when no version was named: raise RolledBackMeanwhile when somebody else rolled
    back since, Superseded when another version became live in another way. `seen_live` is the
    version that a person saw live: raise LiveChanged when another one is, or when a person's
    decision for another one is being carried out.
    """
    with ledger.write() as connection:
        if _release(connection, version).published_at is None:
            raise UnknownVersion(version, known=schema.newest_versions(connection))
        if seen_live is not None:
            _refuse_unseen(connection, seen_live)
        if asked is not None:
            _refuse_second_step(connection, asked)
        connection.execute(hold_unless_held(reason, ledger.now()))
        return _begin(connection, version, "rollback")


def begin_promote(ledger: Ledger, version: int, *, seen_live: int | None = None) -> Switch:
    """Begin to make a former release live, whatever else is under way; a hold stays.

    `seen_live` is that of `begin_rollback`.
    """
    with ledger.write() as connection:
        if _release(connection, version).published_at is None:
            raise UnknownVersion(version, known=schema.newest_versions(connection))
        if seen_live is not None:
            _refuse_unseen(connection, seen_live)
        return _begin(connection, version, "promote")


def begin_restore(ledger: Ledger, version: int, *, expected: int | None) -> Switch | None:
    """Begin to restore the live release or its substitute; None when a decision was faster."""
    with ledger.write() as connection:
        desk = _desk(connection)
        if desk.live != expected or desk.switching_to is not None:
            return None
        return _begin(connection, version, "restore")


def end(ledger: Ledger, switch: Switch) -> bool:
    """Make the switch's version live.

    False, and no change, when a later switch has begun or this one has ended already.
    """
    with ledger.write() as connection:
        desk = _desk(connection)
        if desk.epoch != switch.epoch or desk.switching_to is None:
            return False
        _settle(connection, switch, ledger.now())
        return True


def cancel(ledger: Ledger, switch: Switch) -> None:
    """Cancel a switch that the server refused; the live version and a hold stay."""
    with ledger.write() as connection:
        where = (schema.desk.c.epoch == switch.epoch) & schema.desk.c.switching_to.is_not(None)
        connection.execute(
            schema.desk.update()
            .where(where)
            .values(switching_to=None, switch_kind=None, epoch=schema.desk.c.epoch + 1)
        )


def record_by_hand(
    ledger: Ledger, version: int, kind: SwitchKind, *, expected: int, epoch: int, reason: str
) -> bool:
    """Record a switch that a person made on the server itself, and pause publishing.

    False, and no change, when the ledger has changed since `epoch`.
    """
    with ledger.write() as connection:
        desk = _desk(connection)
        if (
            desk.live != expected
            or desk.switching_to is not None
            or desk.epoch != epoch
            or _release(connection, version).published_at is None
        ):
            return False
        connection.execute(hold_unless_held(reason, ledger.now()))
        _settle(connection, _begin(connection, version, kind), ledger.now())
        return True


def _is_by_a_person(desk: schema.Row) -> bool:
    return desk.switch_kind in ("rollback", "promote")


def _refuse_unseen(connection: sa.Connection, seen_live: int) -> None:
    desk = _desk(connection)
    decided = desk.switching_to if _is_by_a_person(desk) else desk.live
    if decided != seen_live:
        raise LiveChanged(expected=seen_live, found=decided)


def _refuse_second_step(connection: sa.Connection, asked: Seen) -> None:
    desk, releases = _desk(connection), schema.releases.c
    left = connection.execute(
        sa.select(releases.version, releases.rolled_back_at).where(
            releases.rolled_back_at.is_not(None)
        )
    )
    since = [row for row in left if datetime.fromisoformat(row.rolled_back_at) > asked.at]
    if since:
        raise RolledBackMeanwhile(max(row.version for row in since), live=desk.live)
    if asked.live is not None and desk.live != asked.live:
        raise Superseded(expected=asked.live, found=desk.live)


def _refuse_excluded(
    connection: sa.Connection, target_range: Range | None, excluded: Sequence[Range]
) -> None:
    """Raise TrainedOnExcluded when events were excluded that the run may have used."""
    if target_range is None:
        return
    for row in connection.execute(sa.select(schema.excluded)):
        first, last = row.first_seq, min(row.last_seq, target_range[1])
        if first <= last and not any(start <= first and last <= end for start, end in excluded):
            raise TrainedOnExcluded(first, last)


def _settle(connection: sa.Connection, switch: Switch, now: datetime) -> None:
    desk = _desk(connection)
    releases = schema.releases
    if switch.kind == "rollback" and desk.live not in (None, switch.version):
        connection.execute(
            releases.update()
            .where(releases.c.version == desk.live)
            .values(rolled_back_at=now.isoformat())
        )
    is_first_time = (releases.c.version == switch.version) & releases.c.published_at.is_(None)
    connection.execute(releases.update().where(is_first_time).values(published_at=now.isoformat()))
    connection.execute(
        schema.desk.update().values(live=switch.version, switching_to=None, switch_kind=None)
    )


def _begin(connection: sa.Connection, version: int, kind: SwitchKind) -> Switch:
    epoch = int(_desk(connection).epoch) + 1
    connection.execute(
        schema.desk.update().values(switching_to=version, switch_kind=kind, epoch=epoch)
    )
    return Switch(version=version, epoch=epoch, kind=kind)


def _desk(connection: sa.Connection) -> schema.Row:
    return connection.execute(sa.select(schema.desk).with_for_update()).one()


def _release(connection: sa.Connection, version: int) -> schema.Row:
    row = connection.execute(
        sa.select(schema.releases).where(schema.releases.c.version == version)
    ).first()
    if row is None:
        raise UnknownVersion(version, known=schema.newest_versions(connection))
    return row
