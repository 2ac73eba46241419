"""Users who asked to be forgotten, each by a keyed hash, and how far their erasure is.

Of a forgotten user these events are erased: all that happened at `up_to` or before, by the event's
own time, whenever they arrive; and all that the journal had accepted by then, whatever their time.
Later events of the same id count like anybody's. Forgetting a user again moves the mark forward,
never back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from cron.epoch import micros, moment
from cron.ledger import schema
from cron.ledger.ledger import Ledger
from cron.ledger.secret_rows import secret
from cron.lineage import Lease
from cron.user_keys import UserKeys

ADOPTED = "the histories"  # `asked_by` of marks that only the histories had
_IN_A_QUERY = 5_000  # keys; databases limit the parameters of a statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One forgotten user.

    `erased_at` is None until the journal has none of their events; `num_erased` counts those that
    were erased.
    """

    user_key: str
    up_to: datetime
    through_seq: int
    asked_at: datetime
    asked_by: str
    erased_at: datetime | None
    num_erased: int


def keys_of(ledger: Ledger) -> UserKeys:
    """Return this installation's keyed hash of users; the key is read when it is first needed."""

    return UserKeys(lambda: bytes.fromhex(secret(ledger, "user_keys")))


def record(ledger: Ledger, user_key: str, *, up_to: datetime, asked_by: str) -> Mark:
    """Record that a user is to be forgotten; a second time makes another erasure due."""
    with ledger.write() as connection:
        return _record(connection, user_key, up_to, asked_by, ledger.now())


def adopt(ledger: Ledger, marks: Mapping[str, datetime]) -> int:
    """Record marks that are missing or older in the ledger; return how many.

    They are when the ledger was restored from a backup.
    """
    known = {mark.user_key: mark.up_to for mark in among(ledger, marks)}
    newer = {key: up_to for key, up_to in marks.items() if key not in known or known[key] < up_to}
    for user_key, up_to in newer.items():
        with ledger.write() as connection:
            _record(connection, user_key, up_to, ADOPTED, ledger.now(), through_seq=0)
    return len(newer)


def among(ledger: Ledger, user_keys: Collection[str]) -> list[Mark]:
    """Return the marks of those of the users who have one."""
    if not any_forgotten(ledger):
        return []
    with ledger.read() as connection:
        return [
            mark
            for part in _batches(sorted(user_keys))
            for mark in _marks(connection, schema.forgotten.c.user_key.in_(part))
        ]


def any_forgotten(ledger: Ledger) -> bool:
    """Return whether there is any mark."""
    with ledger.read() as connection:
        return (
            connection.execute(sa.select(schema.forgotten.c.user_key).limit(1)).first() is not None
        )


def every(ledger: Ledger) -> list[Mark]:
    """Return all marks."""
    with ledger.read() as connection:
        return _marks(connection, sa.true())


def pending(ledger: Ledger) -> list[Mark]:
    """Return the marks whose events may still be in the journal."""
    with ledger.read() as connection:
        return _marks(connection, schema.forgotten.c.erased_at.is_(None))


def oldest_pending(ledger: Ledger) -> datetime | None:
    """Return when the user who has waited longest asked; None when nobody waits."""
    with ledger.read() as connection:
        query = sa.select(sa.func.min(schema.forgotten.c.asked_at)).where(
            schema.forgotten.c.erased_at.is_(None)
        )
        asked_at = connection.execute(query).scalar_one()
    return datetime.fromisoformat(asked_at) if asked_at is not None else None


def note_erased(
    ledger: Ledger,
    marks: Sequence[Mark],
    num_erased: Mapping[str, int],
    *,
    done: bool,
    lease: Lease,
) -> None:
    """Add the numbers of erased events; when `done`, mark the users as erased.

    Users who asked again meanwhile are not marked: their erasure is due again.
    """
    now = ledger.now().isoformat()
    table = schema.forgotten
    with ledger.write(lease) as connection:
        for mark in marks:
            is_key = table.c.user_key == mark.user_key
            by = num_erased.get(mark.user_key, 0)
            connection.execute(
                table.update().where(is_key).values(num_erased=table.c.num_erased + by)
            )
            is_same = (
                is_key
                & (table.c.up_to_us == micros(mark.up_to))
                & (table.c.through_seq == mark.through_seq)
            )
            if done:
                connection.execute(table.update().where(is_same).values(erased_at=now))


def _record(
    connection: sa.Connection,
    user_key: str,
    up_to: datetime,
    asked_by: str,
    now: datetime,
    through_seq: int | None = None,
) -> Mark:
    table = schema.forgotten
    before = _marks(connection, table.c.user_key == user_key)
    if through_seq is None:
        through_seq = int(connection.execute(sa.select(schema.desk.c.last_seq)).scalar_one())
    mark = Mark(
        user_key=user_key,
        up_to=max([up_to.astimezone(UTC), *(one.up_to for one in before)]),
        through_seq=max([through_seq, *(one.through_seq for one in before)]),
        asked_at=now,
        asked_by=asked_by,
        erased_at=None,
        num_erased=sum(one.num_erased for one in before),
    )
    values = {
        "up_to_us": micros(mark.up_to),
        "through_seq": mark.through_seq,
        "asked_at": now.isoformat(),
        "asked_by": asked_by,
    }
    if before:
        connection.execute(
            table.update().where(table.c.user_key == user_key).values(erased_at=None, **values)
        )
    else:
        connection.execute(table.insert().values(user_key=user_key, **values))
    return mark


def _marks(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[Mark]:
    rows = connection.execute(
        sa.select(schema.forgotten).where(where).order_by(schema.forgotten.c.user_key)
    )
    return [
        Mark(
            user_key=row.user_key,
            up_to=moment(row.up_to_us),
            through_seq=row.through_seq,
            asked_at=datetime.fromisoformat(row.asked_at),
            asked_by=row.asked_by,
            erased_at=datetime.fromisoformat(row.erased_at) if row.erased_at is not None else None,
            num_erased=row.num_erased,
        )
        for row in rows
    ]


def _batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), _IN_A_QUERY):
        yield keys[start : start + _IN_A_QUERY]
