"""The newest posterior of item rewards: the sums that it follows from, and how it came."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cron.ledger import schema
from cron.ledger.ledger import Ledger
from cron.lineage import Lease
from cron.ports import Cursor
from recommender.requests.reward_evidence import RewardEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class PosteriorState:
    """A posterior without its sums. The counts are of all lists and rewards that were read."""

    version: int
    at: datetime
    num_lists: int
    num_rewards: int
    num_items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPosterior:
    """A posterior with its sums, and the place in the log up to which it has read."""

    state: PosteriorState
    cursor: Cursor
    evidence: RewardEvidence


def store(ledger: Ledger, posterior: StoredPosterior, *, lease: Lease) -> None:
    """Store a posterior in place of the one before; raise LeaseLost."""
    table, state = schema.posteriors, posterior.state
    with ledger.write(lease) as connection:
        connection.execute(table.delete())
        connection.execute(
            table.insert().values(
                version=state.version,
                at=state.at.isoformat(),
                cursor=posterior.cursor,
                read_at=state.at.isoformat(),
                num_lists=state.num_lists,
                num_rewards=state.num_rewards,
                num_items=state.num_items,
                item_ids=json.dumps(posterior.evidence.ids),
                sums=posterior.evidence.sums,
            )
        )


def store_cursor(ledger: Ledger, cursor: Cursor, *, lease: Lease) -> None:
    """Store how far the log was read without a change of the posterior; raise LeaseLost."""
    read_at = ledger.now().isoformat()
    with ledger.write(lease) as connection:
        connection.execute(schema.posteriors.update().values(cursor=cursor, read_at=read_at))


def cursor_since(ledger: Ledger, at: datetime) -> Cursor | None:
    """Return the place in the log up to which it was read; None if not since a time."""
    columns = schema.posteriors.c
    query = sa.select(columns.cursor).where(columns.read_at >= at.isoformat())
    with ledger.read() as connection:
        found = connection.execute(query).scalar()
    return None if found is None else Cursor(found)


def newest(ledger: Ledger, *, other_than: int = 0) -> StoredPosterior | None:
    """Return the posterior; None if there is none of another version.

    In a ledger that was restored from a backup it is an earlier one.
    """
    table = schema.posteriors
    query = sa.select(table).where(table.c.version != other_than)
    with ledger.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return StoredPosterior(
        state=_state(row),
        cursor=Cursor(row.cursor),
        evidence=RewardEvidence(ids=tuple(json.loads(row.item_ids)), sums=row.sums),
    )


def state(ledger: Ledger) -> PosteriorState | None:
    """Return the posterior without its sums; None before the first."""
    columns = schema.posteriors.c
    wanted = (columns[name] for name in PosteriorState.__dataclass_fields__)
    with ledger.read() as connection:
        row = connection.execute(sa.select(*wanted)).one_or_none()
    return None if row is None else _state(row)


def _state(row: sa.Row[tuple[object, ...]]) -> PosteriorState:
    return PosteriorState(
        version=row.version,
        at=datetime.fromisoformat(row.at),
        num_lists=row.num_lists,
        num_rewards=row.num_rewards,
        num_items=row.num_items,
    )
