"""What the visitors of experiments were shown and did, by day, and the sums over them.

A visitor is known by a keyed hash. A measurement reads what is new, and replaces the rows of those
who have something new. A user who is forgotten loses the rows.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cron.experiments.user_sums import UserSums
from cron.ledger import schema
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.trial import trial_name

DAY_US = 86_400_000_000
IN_A_QUERY = 2_000  # keys; databases limit the parameters of a statement

Shown = Mapping[str, Mapping[str, int]]  # how often each item was shown, by arm


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorDay:
    """What a visitor was shown by an arm on a day since 1970, and what that led to.

    `first_us` is the first list of the day, None without one. `num_rare` counts shown items outside
    the most shown ones. `before` is the reward per day before the first list, on its day.
    """

    visitor_key: str
    day: int
    arm: str
    first_us: int | None = None
    num_lists: int = 0
    num_fallbacks: int = 0
    num_shown: int = 0
    num_rare: int = 0
    reward: float = 0.0
    revenue: float = 0.0
    before: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDay:
    """A day that was read: from which files of slates, and what each arm has shown."""

    segments: frozenset[str]
    shown: Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorSums:
    """The sums over the visitors of an arm, by metric."""

    reward: UserSums
    fallbacks: UserSums
    coverage: UserSums
    revenue: UserSums


NO_SUMS = VisitorSums(
    reward=UserSums(), fallbacks=UserSums(), coverage=UserSums(), revenue=UserSums()
)


def rows_of(ledger: Ledger, experiment: str, keys: Collection[str]) -> list[VisitorDay]:
    """Return the rows of some visitors."""
    table = schema.experiment_visitors
    found = []
    with ledger.read() as connection:
        for part in _parts(sorted(keys)):
            is_theirs = (table.c.experiment == experiment) & table.c.visitor_key.in_(part)
            rows = connection.execute(sa.select(table).where(is_theirs))
            found += [_visitor_day(row) for row in rows]
    return found


def replace_rows(
    ledger: Ledger,
    experiment: str,
    keys: Collection[str],
    rows: Sequence[VisitorDay],
    *,
    lease: Lease,
    through_seq: int | None = None,
) -> None:
    """Replace all rows of some visitors; in the same transaction note what was measured."""
    table = schema.experiment_visitors
    with ledger.write(lease) as connection:
        for part in _parts(sorted(keys)):
            is_theirs = (table.c.experiment == experiment) & table.c.visitor_key.in_(part)
            connection.execute(table.delete().where(is_theirs))
        if rows:
            values = [{"experiment": experiment, **asdict(row)} for row in rows]
            connection.execute(table.insert(), values)
        if through_seq is not None:
            _note_through(connection, experiment, through_seq)


def through_seq(ledger: Ledger, experiment: str) -> int | None:
    """Return the last journal number that was measured; None before the first time."""
    table = schema.experiment_progress
    query = sa.select(table.c.through_seq).where(table.c.experiment == experiment)
    with ledger.read() as connection:
        return connection.execute(query).scalar_one_or_none()


def days(ledger: Ledger, experiment: str) -> dict[int, ReadDay]:
    """Return the days that were read."""
    table = schema.experiment_days
    with ledger.read() as connection:
        rows = connection.execute(sa.select(table).where(table.c.experiment == experiment)).all()
    return {
        row.day: ReadDay(
            segments=frozenset(json.loads(row.segments)),
            shown=json.loads(zlib.decompress(row.shown)),
        )
        for row in rows
    }


def store_day(ledger: Ledger, experiment: str, day: int, read: ReadDay, *, lease: Lease) -> None:
    """Store what a day was read from."""
    table = schema.experiment_days
    is_day = (table.c.experiment == experiment) & (table.c.day == day)
    content = {
        "segments": json.dumps(sorted(read.segments)),
        "shown": zlib.compress(json.dumps(read.shown).encode()),
    }
    with ledger.write(lease) as connection:
        connection.execute(table.delete().where(is_day))
        connection.execute(table.insert().values(experiment=experiment, day=day, **content))


def note_through(ledger: Ledger, experiment: str, through_seq: int, *, lease: Lease) -> None:
    """Note the last journal number that was measured."""
    with ledger.write(lease) as connection:
        _note_through(connection, experiment, through_seq)


def sums_by_arm(ledger: Ledger, experiment: str, *, now_us: int) -> dict[str, VisitorSums]:
    """Return the sums over the visitors of each arm.

    Exposed to rewards and revenue are the days since the first list, the present one included.
    """
    visitors = _visitors(experiment)
    age_us = sa.literal(now_us, sa.BigInteger) - visitors.c.first_us
    num_days = sa.case((age_us > 0, sa.cast(age_us // DAY_US, sa.Float) + 1.0), else_=1.0)
    none = sa.literal(0.0)
    columns = visitors.c
    metrics = {
        "reward": (columns.reward, num_days, columns.before * num_days),
        "fallbacks": (columns.num_fallbacks, columns.num_lists, none),
        "coverage": (columns.num_rare, columns.num_shown, none),
        "revenue": (columns.revenue, num_days, none),
    }
    found = _sums(ledger, visitors, metrics, by=columns.arm)
    return {arm: VisitorSums(**sums) for arm, sums in found.items()}


def sums_of_teams(
    ledger: Ledger, experiment: str, *, second: str
) -> tuple[dict[str, VisitorSums], UserSums]:
    """Return the sums over the visitors of interleaved lists, by arm, and their preferences.

    All are per list. The preference is the reward of the second arm's items minus that of the
    others.
    """
    visitors = _visitors(experiment)
    columns, none = visitors.c, sa.literal(0.0)
    metrics = {
        "reward": (columns.reward, columns.num_lists, none),
        "fallbacks": (columns.num_fallbacks, columns.num_lists, none),
        "coverage": (columns.num_rare, columns.num_shown, none),
        "revenue": (columns.revenue, columns.num_lists, none),
    }
    found = _sums(ledger, visitors, metrics, by=columns.arm)
    by_arm = {arm: VisitorSums(**sums) for arm, sums in found.items()}
    signed = sa.case((columns.arm == second, columns.reward), else_=-columns.reward)
    pairs = (
        sa.select(
            sa.func.sum(signed).label("preference"),
            sa.func.max(columns.num_lists).label("num_lists"),
        )
        .group_by(columns.visitor_key)
        .subquery()
    )
    preferred = {"preference": (pairs.c.preference, pairs.c.num_lists, none)}
    of_all = _sums(ledger, pairs, preferred, by=sa.literal("all"))
    return by_arm, of_all.get("all", {}).get("preference", UserSums())


def forget(ledger: Ledger, keys: Collection[str], *, lease: Lease) -> tuple[str, ...]:
    """Delete the rows of forgotten users; return the experiments that had some."""
    table = schema.experiment_visitors
    names: set[str] = set()
    for part in _parts(sorted(keys)):
        is_theirs = table.c.visitor_key.in_(part)
        with ledger.read() as connection:
            query = sa.select(table.c.experiment).where(is_theirs).distinct()
            found = set(connection.execute(query).scalars())
        if found:
            with ledger.write(lease) as connection:
                connection.execute(table.delete().where(is_theirs))
        names |= found
    return tuple(sorted(names))


def delete_unneeded(ledger: Ledger, *, ended_before: datetime, lease: Lease) -> None:
    """Delete the rows of experiments that ended before a time; their sums stay.

    Those of trials are deleted too, once another one or none is running.
    """
    known, trials = schema.experiments, schema.trials
    needed = sa.select(known.c.name).where(
        known.c.ended_at.is_(None) | (known.c.ended_at >= ended_before.isoformat())
    )
    running = sa.select(trials.c.version).where(trials.c.ended_at.is_(None))
    table = schema.experiment_progress
    query = sa.select(table.c.experiment).where(table.c.experiment.not_in(needed))
    with ledger.read() as connection:
        kept = {trial_name(version) for version in connection.execute(running).scalars()}
        names = set(connection.execute(query).scalars()) - kept
    for name in sorted(names):
        with ledger.write(lease) as connection:
            delete_of(connection, name)


def delete_of(connection: sa.Connection, experiment: str) -> None:
    """Delete the rows of an experiment, within a transaction."""
    for table in _TABLES:
        connection.execute(table.delete().where(table.c.experiment == experiment))


_TABLES = (schema.experiment_visitors, schema.experiment_days, schema.experiment_progress)


def _visitors(experiment: str) -> sa.Subquery:
    """Return each visitor's sums over all days, by arm; those without a list are left out."""
    columns = schema.experiment_visitors.c
    added = [
        sa.cast(sa.func.sum(columns[name]), sa.Float).label(name)
        for name in (
            "num_lists",
            "num_fallbacks",
            "num_shown",
            "num_rare",
            "reward",
            "revenue",
            "before",
        )
    ]
    first_us = sa.func.min(columns.first_us)
    return (
        sa.select(columns.visitor_key, columns.arm, first_us.label("first_us"), *added)
        .where(columns.experiment == experiment)
        .group_by(columns.visitor_key, columns.arm)
        .having(first_us.is_not(None))
        .subquery()
    )


_Values = tuple[sa.ColumnElement[float], sa.ColumnElement[float], sa.ColumnElement[float]]


def _sums(
    ledger: Ledger,
    visitors: sa.Subquery,
    metrics: Mapping[str, _Values],
    *,
    by: sa.ColumnElement[str],
) -> dict[str, dict[str, UserSums]]:
    """Return the sums of metrics (reward, exposure, reward before), by a column."""
    asked: list[sa.Label[Any]] = [by.label("part"), sa.func.count().label("num_users")]
    for name, (reward, exposure, before) in metrics.items():
        values = {"r": reward, "n": exposure, "b": before}
        asked += [sa.func.sum(one).label(f"{name}_{key}") for key, one in values.items()]
        for pair in ("rr", "nn", "bb", "rn", "rb", "nb"):
            product = values[pair[0]] * values[pair[1]]
            asked.append(sa.func.sum(product).label(f"{name}_{pair}"))
    names = [field.name for field in fields(UserSums) if field.name != "num_users"]
    query = sa.select(*asked).select_from(visitors).group_by("part")
    found: dict[str, dict[str, UserSums]] = {}
    with ledger.read() as connection:
        for row in connection.execute(query).mappings():
            found[row["part"]] = {
                metric: UserSums(
                    num_users=row["num_users"],
                    **{name: float(row[f"{metric}_{name}"]) for name in names},
                )
                for metric in metrics
            }
    return found


def _note_through(connection: sa.Connection, experiment: str, through_seq: int) -> None:
    table = schema.experiment_progress
    connection.execute(table.delete().where(table.c.experiment == experiment))
    connection.execute(table.insert().values(experiment=experiment, through_seq=through_seq))


def _visitor_day(row: sa.Row[tuple[object, ...]]) -> VisitorDay:
    return VisitorDay(**{field.name: getattr(row, field.name) for field in fields(VisitorDay)})


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), IN_A_QUERY):
        yield keys[start : start + IN_A_QUERY]
