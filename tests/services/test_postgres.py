"""The ledger when PostgreSQL is down, restarts, refuses access, or has a frozen writer."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from cron.errors import AccessRefused, Unavailable
from cron.ledger import holds, journal_rows, lease_row, metric_rows, schema
from cron.ledger.ledger import Ledger, open_ledger
from cron.lineage import Lease
from cron.ports import Cursor
from cron.project_root import PROJECT_ROOT
from tests.releases import publish_releases
from tests.servers import POSTGRES_PASSWORD, Servers


@pytest.fixture
def url(servers: Servers) -> str:
    return servers.postgres_database()


def test_after_a_restart_of_the_server_the_next_call_works(
    ledger: Ledger, lease: Lease, servers: Servers
) -> None:
    journal_rows.commit_segment(ledger, None, Cursor("a"), lease)
    for end in (servers.postgres.stop, servers.postgres.kill):
        end()
        servers.postgres.start()
        assert journal_rows.log_cursor(ledger) == "a"
        journal_rows.commit_segment(ledger, None, Cursor("a"), lease)


def test_calls_during_an_outage_name_the_server(ledger: Ledger, servers: Servers, url: str) -> None:
    servers.postgres.stop()
    said = r"the ledger at postgresql://freshet:\*\*\*@127\.0\.0\.1:\d+/\w+ does not answer"
    try:
        for call in (
            lambda: journal_rows.last_seq(ledger),
            lambda: holds.pause(ledger, "x"),
            lambda: lease_row.clock(ledger),
            lambda: open_ledger(url),
        ):
            with pytest.raises(Unavailable, match=said) as told:
                call()
            assert POSTGRES_PASSWORD not in str(told.value)
            assert "\n" not in str(told.value)
    finally:
        servers.postgres.start()
    assert holds.current(ledger) is None


def write_two(
    ledger: Ledger,
    lease: Lease | None,
    between: Callable[[], object],
    after: Callable[[], object] = lambda: None,
) -> None:
    """Write twice in one transaction, with something happening in between or before commit."""
    with ledger.write(lease) as connection:
        connection.execute(schema.desk.update().values(log_cursor="half"))
        between()
        connection.execute(schema.desk.update().values(last_seq=7))
        after()


def test_a_connection_lost_in_a_transaction_writes_nothing(
    ledger: Ledger, lease: Lease, servers: Servers
) -> None:
    for moments in ((servers.postgres.kill, lambda: None), (lambda: None, servers.postgres.kill)):
        with pytest.raises(Unavailable):
            write_two(ledger, lease, *moments)
        servers.postgres.start()
        assert (journal_rows.log_cursor(ledger), journal_rows.last_seq(ledger)) == ("", 0)


def test_a_frozen_writer_blocks_others_only_briefly(url: str) -> None:
    # the first to open it makes all tables, which may take longer than the second
    other, frozen = open_ledger(url), open_ledger(url, idle_limit_s=5)
    with pytest.raises(
        Unavailable
    ):  # the other waits for the lock, which the server takes from the frozen one
        write_two(frozen, None, lambda: holds.pause(other, "the other goes on"))
    assert (journal_rows.log_cursor(frozen), journal_rows.last_seq(frozen)) == ("", 0)
    assert holds.current(other) is not None
    frozen.close()
    other.close()


def test_a_reader_waits_for_no_writer(ledger: Ledger) -> None:
    with ledger.write() as connection:
        connection.execute(schema.desk.update().values(log_cursor="not yet"))
        assert journal_rows.log_cursor(ledger) == ""
    assert journal_rows.log_cursor(ledger) == "not yet"


def test_a_server_with_stricter_transactions_changes_nothing(ledger: Ledger, url: str) -> None:
    """By default each transaction would see the ledger from before it waited for the lock."""
    with psycopg.connect(url, autocommit=True) as connection:
        name = sa.make_url(url).database
        connection.execute(
            f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'".encode()
        )
    strict = open_ledger(url)
    ready = threading.Barrier(4)

    def count() -> None:
        ready.wait()
        for _ in range(25):
            metric_rows.count(strict, "ticks")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metric_rows.stored_metrics(strict) == {"ticks": 100.0}
    strict.close()


@pytest.mark.parametrize("password", ["wrong", None])
def test_a_wrong_password_is_reported_with_the_remedy(url: str, password: str | None) -> None:
    parsed = sa.make_url(url)._replace(password=password)
    with pytest.raises(AccessRefused, match=r"refuses access .*PGPASSWORD") as told:
        open_ledger(parsed.render_as_string(hide_password=False))
    assert "wrong" not in str(told.value)


def test_a_user_who_may_not_make_tables_is_reported(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute(f"CREATE ROLE guest LOGIN PASSWORD '{POSTGRES_PASSWORD}'".encode())
    with pytest.raises(AccessRefused, match=r"permission denied .* may create tables"):
        open_ledger(sa.make_url(url).set(username="guest").render_as_string(hide_password=False))


def test_leases_run_by_the_servers_clock(url: str) -> None:
    """A host whose clock is an hour ahead does not take the lease of one that lives."""
    ledger = open_ledger(url, now=lambda: datetime.now(UTC) + timedelta(hours=1))
    assert lease_row.acquire(ledger, "one", 30, lease_row.clock(ledger)) is not None
    assert lease_row.acquire(ledger, "two", 30, lease_row.clock(ledger)) is None
    assert abs(lease_row.clock(ledger) - datetime.now(UTC)) < timedelta(minutes=1)
    ledger.close()


def test_the_command_line_finds_the_password_in_the_environment(
    ledger: Ledger, lease: Lease, url: str, tmp_path: Path
) -> None:
    publish_releases(ledger, lease, 1, 2)
    settings = tmp_path / "freshet.toml"
    bare = sa.make_url(url)._replace(password=None).render_as_string()
    settings.write_text(f'[store]\nledger = "{bare}"\nvar = "{tmp_path}"\n')
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("PG")}

    def releases(**more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cron", "releases", "--config", str(settings)]
        return subprocess.run(
            command,
            cwd=PROJECT_ROOT,
            env={**quiet, **more},
            capture_output=True,
            text=True,
            check=False,
        )

    assert "refuses access" in releases().stderr
    for given in ({"PGPASSWORD": POSTGRES_PASSWORD}, {"FRESHET__STORE__LEDGER": url}):
        found = releases(**given)
        assert found.returncode == 0, found.stderr
        assert "full" in found.stdout
        assert POSTGRES_PASSWORD not in found.stdout + found.stderr
    settings.write_text(f'[store]\nledger = "{url}"\n')
    refused = releases()
    assert refused.returncode == 2
    assert "store.ledger holds a password" in refused.stderr
    assert POSTGRES_PASSWORD not in refused.stderr
