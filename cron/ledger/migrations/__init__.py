"""Migrations of the ledger's tables: one numbered step per file in `versions/`.

Opening a ledger takes the missing steps, all in one transaction under the writers' lock: of two
processes, one takes them and the other finds them taken. `alembic_version` in the database is the
last step taken.

A change of `cron.ledger.schema` needs a new step: copy the newest file, raise its number and
`HEAD`. A step never changes afterwards; a test compares the result of all steps with
`cron.ledger.schema` on each database. Steps are loaded only to be taken: `rollback` and `status`
just compare one row with `HEAD`.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from cron.errors import LedgerTooNew
from cron.ledger.database import display_url, errors_translated, open_engine, writer

HEAD = "0025"
_FIRST = "0001"  # of ledgers from before steps had numbers


def open_up_to_date(url: str) -> sa.Engine:
    """Open a database and bring it up to date; raise as the two functions below do."""
    engine = open_engine(url)
    try:
        bring_up_to_date(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def bring_up_to_date(engine: sa.Engine) -> None:
    """Take the missing steps, all of them for a new ledger; raise LedgerTooNew or Unavailable."""
    with errors_translated(engine):
        with engine.connect() as connection:
            if _revision(connection) == HEAD:
                return
        with writer(engine).begin() as connection:
            found = _revision(connection)
            if found != HEAD:
                _take_steps(connection, found)


def _revision(connection: sa.Connection) -> str | None:
    """Return the number of the last step taken; None when the ledger is new."""
    inspector = sa.inspect(connection)
    if inspector.has_table("alembic_version"):
        return str(
            connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
        )
    return _FIRST if inspector.has_table("figures") else None


def _take_steps(connection: sa.Connection, found: str | None) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    steps = ScriptDirectory.from_config(config)
    if found is not None and found not in {step.revision for step in steps.walk_revisions()}:
        raise LedgerTooNew(where=display_url(connection.engine), found=found, known=HEAD)

    def missing(taken: object, _context: object) -> object:
        return steps._upgrade_revs(HEAD, taken or found)  # type: ignore[arg-type]

    with EnvironmentContext(
        config, steps, fn=missing, as_sql=False, destination_rev=HEAD
    ) as environment:
        environment.configure(connection=connection)
        if found is not None:
            environment.get_context().stamp(steps, found)
        environment.run_migrations()
