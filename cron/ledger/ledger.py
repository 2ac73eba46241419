"""The ledger: an open database and its transactions.

Each table's functions have a file of their own:

| file           | what it reads and writes                                              |
|----------------|-----------------------------------------------------------------------|
| `journal_rows` | the journal's segments, the log cursor, the greatest journal number   |
| `lease_row`    | the lease: which worker may run cycles                                |
| `run_rows`     | runs, their steps, skipped turns, version numbers                     |
| `release_rows` | archives and releases, with their manifests                           |
| `switches`     | which release is live, and the change of it that is under way         |
| `holds`        | whether publishing is paused, and the excluded journal numbers        |
| `metric_rows`  | quality by run; counters and gauges that outlive a process            |
| `forgotten`    | users who asked to be forgotten                                       |
| `secret_rows`  | the installation's secrets                                            |
| `event_rows`   | how many events were collected, and what lists led to                 |
| `slate_rows`   | the segments of slates, and how many were collected                   |
| `decision_rows`| who rolled back, promoted, paused and resumed, and why                |
| `key_rows`     | the gateway's API keys                                                |
| `placement_rows` | placements of the API, and who changed them                         |
| `experiment_rows`| experiments, what was measured of them, and the arms' answers       |
| `trial_rows`   | trials of candidates, what was measured of them, and their shadows    |
| `side_rows`    | versions that stay loaded beside the live one                         |
| `exploration_rows` | what exploring costs, by placement and policy                      |
| `experiment_day_rows` | what the visitors of experiments were shown and did, by day   |
| `ranked_rows`  | choices of the Personalizer calls, and the model that learns from them |
| `picture_rows` | the pictures of items, and what became of fetching them               |
| `shown_pictures` | the thumbnails of items, and which are new                         |
| `pruning`      | removal of rows that nothing needs                                    |

Every function there takes a `Ledger` and is one transaction. A write that belongs to a run names
its lease, and the transaction checks the lease's token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import sqlalchemy as sa

from cron.errors import LeaseLost
from cron.ledger import database, migrations, schema
from cron.lineage import Lease


def utc_now() -> datetime:
    """Return the time, aware UTC."""
    return datetime.now(UTC)


def open_ledger(
    url: str,
    *,
    now: Callable[[], datetime] = utc_now,
    idle_limit_s: int = database.IDLE_LIMIT_S,
) -> Ledger:
    """Open the ledger at an SQLAlchemy database URL; create or upgrade its tables."""
    return Ledger(migrations.open_up_to_date(url), now=now, idle_limit_s=idle_limit_s)


class Ledger:
    """An open database and its transactions.

    `now` is the clock for the times in its rows. A writer that does nothing for `idle_limit_s`
    during a transaction loses it on PostgreSQL, so that the others can write.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        now: Callable[[], datetime] = utc_now,
        idle_limit_s: int = database.IDLE_LIMIT_S,
    ) -> None:
        self.engine = engine
        self.now = now
        self._reader = database.reader(engine)
        self._writer = database.writer(engine, idle_limit_s=idle_limit_s)

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a reading transaction; raise Unavailable or LedgerFailed."""
        with database.errors_translated(self.engine), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self, lease: Lease | None = None) -> Iterator[sa.Connection]:
        """Open the only writing transaction; raise LeaseLost, Unavailable or LedgerFailed.

        LeaseLost: `lease` is given and is no longer the newest.
        """
        with database.errors_translated(self.engine), self._writer.begin() as connection:
            if lease is not None:
                check_lease_in(connection, lease)
            yield connection


def check_lease_in(connection: sa.Connection, lease: Lease) -> None:
    """Raise LeaseLost unless `lease` is the newest.

    The holder is compared too: after an older ledger was restored, two holders may have received
    the same token.
    """
    newest = connection.execute(sa.select(schema.lease)).one()
    if (newest.token, newest.holder) != (lease.token, lease.holder):
        raise LeaseLost(holder=newest.holder or "nobody")
