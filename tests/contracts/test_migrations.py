"""The migrations of the ledger, on each database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from cron.errors import LedgerFailed, LedgerTooNew, Unavailable
from cron.ledger import database, journal_rows, schema
from cron.ledger.ledger import open_ledger
from cron.ledger.migrations import HEAD, bring_up_to_date
from cron.ledger.migrations.versions import r0001_tables
from cron.project_root import PROJECT_ROOT
from tests.contracts.ledgers import EMBEDDED, ON_SERVERS
from tests.contracts.records import start_process, wait_for_end

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures
OPEN = """
import sys
from cron.ledger import journal_rows
from cron.ledger.ledger import open_ledger
print(journal_rows.last_seq(open_ledger(sys.argv[1])))
"""


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = database.open_engine(url)
    yield engine
    engine.dispose()


def differences(engine: sa.Engine) -> list[object]:
    """Compare a database with `cron.ledger.schema`."""
    options = {
        "compare_type": True,
        "compare_server_default": _other_default if engine.dialect.name == "sqlite" else True,
    }
    with engine.connect() as connection:
        return list(
            compare_metadata(MigrationContext.configure(connection, opts=options), schema.metadata)
        )


def _other_default(
    _context: object,
    _found_in: object,
    _column: object,
    found: str | None,
    _default: object,
    wanted: str | None,
) -> bool:
    """Compare the texts: SQLAlchemy reads an empty SQLite default with brackets around it."""
    return (found or "").strip("(')") != (wanted or "").strip("(')")


def revisions(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())


def without_numbers(engine: sa.Engine) -> None:
    """Make a ledger as they were made before there were steps, with something in it."""
    with database.writer(engine).begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            r0001_tables.upgrade()
        connection.exec_driver_sql("UPDATE desk SET last_seq = 17")


def test_the_steps_make_what_the_schema_says(engine: sa.Engine) -> None:
    bring_up_to_date(engine)
    assert differences(engine) == []
    assert revisions(engine) == [HEAD]


def test_the_comparison_would_notice(engine: sa.Engine) -> None:
    bring_up_to_date(engine)
    with database.writer(engine).begin() as connection:
        connection.exec_driver_sql("DROP INDEX open_runs")
        connection.exec_driver_sql("ALTER TABLE lease ADD COLUMN more TEXT")
    assert len(differences(engine)) == 2


def test_the_last_step_is_the_one_that_opening_looks_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(PROJECT_ROOT / "cron" / "ledger" / "migrations"))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_ledger_without_numbered_steps_is_migrated(engine: sa.Engine, url: str) -> None:
    without_numbers(engine)
    ledger = open_ledger(url)
    assert journal_rows.last_seq(ledger) == 17
    ledger.close()
    assert differences(engine) == []
    assert revisions(engine) == [HEAD]


@pytest.mark.parametrize("is_old", [False, True], ids=["new", "old"])
def test_of_processes_that_open_at_once_one_takes_the_steps(
    engine: sa.Engine, url: str, is_old: bool
) -> None:
    if is_old:
        without_numbers(engine)
    processes = [start_process(OPEN, url) for _ in range(3)]
    assert {wait_for_end(process) for process in processes} == {"17" if is_old else "0"}
    assert revisions(engine) == [HEAD]


def test_a_step_that_fails_leaves_nothing_behind(engine: sa.Engine) -> None:
    with database.writer(engine).begin() as connection:
        connection.exec_driver_sql(
            # the last table that the first step creates
            "CREATE TABLE quality (run_id INTEGER)"
        )
    with pytest.raises((LedgerFailed, Unavailable), match="already exists"):
        bring_up_to_date(engine)
    assert sa.inspect(engine).get_table_names() == ["quality"]


def test_a_ledger_of_a_newer_freshet_is_refused_and_left_alone(engine: sa.Engine, url: str) -> None:
    bring_up_to_date(engine)
    with database.writer(engine).begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(
        LedgerTooNew, match=r"is at migration 9999, made by a newer Freshet"
    ) as told:
        open_ledger(url)
    assert "only-for-tests" not in str(told.value)
    assert revisions(engine) == ["9999"]


def test_an_up_to_date_ledger_does_not_load_alembic(engine: sa.Engine, url: str) -> None:
    bring_up_to_date(engine)
    code = f"""
import sys
from cron.ledger import release_rows
from cron.ledger.ledger import open_ledger
release_rows.live(open_ledger({url!r}))
print('alembic' in sys.modules)
"""
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "False"
