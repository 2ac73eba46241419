"""The ledger's database: `postgresql://USER@HOST:PORT/DATABASE`, with libpq's options."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cron.urls.wrong_url import WrongUrl

_EXPECTED = "postgresql://USER@HOST:PORT/DATABASE; its password comes from PGPASSWORD or ~/.pgpass"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresUrl:
    """A URL that names a database; one from the environment may contain a password."""

    url: str = field(repr=False)
    database: str


def parse(url: str) -> PostgresUrl:
    """Parse a URL; raise WrongUrl."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:  # a port that is not a number, or over 65535
        raise WrongUrl(url, expected=_EXPECTED, reason="the port is not valid") from error
    database = parts.path[1:]
    if not database.strip("/") or "/" in database:
        raise WrongUrl(url, expected=_EXPECTED, reason="it does not name one database")
    if port == 0:
        raise WrongUrl(url, expected=_EXPECTED, reason="port 0 is not valid")
    return PostgresUrl(url=url, database=database)
