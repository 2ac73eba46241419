"""Which Redis, and what of it: `redis://HOST:PORT/DB?stream=NAME`, `rediss://` with TLS.

Knows the URL only; opens nothing and needs no client. User and password come from the environment,
never from a URL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

SCHEMES = ("redis", "rediss")
DEFAULT_PORT = 6379
_OPTIONS = {
    "events": "stream",
    "histories": "prefix",
}  # by the key under [store]; each has the key's name as its default
_NAME = re.compile(r"[A-Za-z0-9_.:-]+")  # it goes into key names and a match pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """A server, a database on it, and the name under which our keys lie; `ca` is the file of a private authority."""

    host: str
    port: int
    database: int
    name: str
    tls: bool
    ca: str | None

    @property
    def where(self) -> str:
        """Return the address for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"


def wrong_url(store: str, url: str) -> str | None:
    """Return what was expected when the URL can't be the setting `store.{store}`; None when it can."""
    if _parsed(store, url):
        return None
    forms = f"redis://HOST:PORT/DATABASE?{_OPTIONS[store]}=NAME, or rediss:// with TLS and &ca=/PATH for a private authority"
    return f"{forms}; user and password come from REDIS_USERNAME and REDIS_PASSWORD"


def parse(store: str, url: str) -> RedisUrl:
    """Return what a URL that isn't wrong says."""
    parsed = _parsed(store, url)
    if parsed is None:
        raise ValueError(f"expected {wrong_url(store, url)}")
    return parsed


def _parsed(store: str, url: str) -> RedisUrl | None:
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
    except ValueError:  # brackets without an address, a port that is no number or over 65535
        return None
    options = {
        name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()
    }
    database, name, ca = (
        parts.path.strip("/") or "0",
        options.get(_OPTIONS[store], store),
        options.get("ca"),
    )
    tls = parts.scheme == "rediss"
    fine = (
        bool(parts.hostname)
        and "@" not in parts.netloc
        and database.isascii()
        and database.isdigit()
        and bool(_NAME.fullmatch(name))
        and options.keys() <= {_OPTIONS[store], "ca"}
        and (ca is None or (tls and ca.startswith("/")))
    )
    if not fine:
        return None
    return RedisUrl(
        host=parts.hostname or "", port=port, database=int(database), name=name, tls=tls, ca=ca
    )
