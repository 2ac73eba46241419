"""A Redis database: `redis://HOST:PORT/DATABASE?stream=NAME`, `rediss://` with TLS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from cron.urls.wrong_url import WrongUrl

DEFAULT_PORT = 6379
# by the key under [store]; the default is the key's own name
_NAME_OPTION = {"events": "stream", "histories": "prefix"}
_NAME = re.compile(r"[A-Za-z0-9_.:-]+")  # it becomes part of key names and of a match pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """A server, a database on it, and the prefix of our keys.

    `ca` is the certificate file of a private authority.
    """

    host: str
    port: int
    database: int
    name: str
    tls: bool
    ca: str | None

    @property
    def where(self) -> str:
        """Return the address for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"


def parse(url: str, *, store: str) -> RedisUrl:
    """Parse the URL of the setting `store.{store}`; raise WrongUrl."""
    try:
        return _parse(url, store)
    except ValueError as error:
        raise WrongUrl(url, expected=_accepted_forms(store), reason=str(error)) from error


def _accepted_forms(store: str) -> str:
    form = f"redis://HOST:PORT/DATABASE?{_NAME_OPTION[store]}=NAME"
    tls = "rediss:// with TLS and &ca=/PATH for a private authority"
    return f"{form}, or {tls}; user and password come from REDIS_USERNAME and REDIS_PASSWORD"


def _parse(url: str, store: str) -> RedisUrl:
    parts = urlsplit(url)  # raises ValueError for brackets without an address
    port = parts.port or DEFAULT_PORT  # raises ValueError for a port that is not valid
    options = {
        name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()
    }
    name_option, tls = _NAME_OPTION[store], parts.scheme == "rediss"
    name, ca = options.get(name_option, store), options.get("ca")
    if "@" in parts.netloc:
        raise ValueError("it contains a user or a password")
    if not parts.hostname:
        raise ValueError("there is no host")
    if unknown := sorted(options.keys() - {name_option, "ca"}):
        raise ValueError(f"{unknown[0]}= is not an option")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name_option}= takes letters, digits and _.:-")
    if ca is not None and not (tls and ca.startswith("/")):
        raise ValueError("ca= is an absolute path, and only for rediss://")
    return RedisUrl(
        host=parts.hostname,
        port=port,
        database=_database(parts.path.strip("/") or "0"),
        name=name,
        tls=tls,
        ca=ca,
    )


def _database(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("the database is a number")
    return int(text)
