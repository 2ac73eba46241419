"""The keys that this gateway accepts: `gateway.api_key`, and those of the ledger.

The ledger's are read twice a second. While it does not answer, the last known keys hold.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cron.api_keys import ROLES, SETTING_NAME, ApiKey, Role, digest_of
from cron.settings.own_gateway import key_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sent a call. `origins` are the sites that a browser key is for."""

    name: str
    roles: frozenset[Role]
    origins: frozenset[str] = frozenset()

    @property
    def is_browser(self) -> bool:
        """Return whether the call may come from anybody who can read a shop's page."""
        return "browser" in self.roles


# without any key, programs of this machine may do all but operate: other accounts of the machine
# could otherwise change what is live
LOCAL = Caller(name="a program of this machine", roles=frozenset({"read", "write"}))


class Keyring:
    """The valid keys. `find` is for the event loop; `refresh` blocks."""

    def __init__(self, own_key: str | None, read: Callable[[], Sequence[ApiKey]]) -> None:
        self._own_keys = () if own_key is None else _encodings(own_key)
        self._own = Caller(name=SETTING_NAME, roles=frozenset(ROLES) - {"browser"})
        self._read = read
        self._rows: tuple[ApiKey, ...] = ()
        self._callers: tuple[tuple[str, Caller], ...] = ()
        self.origins: frozenset[str] = frozenset()  # of all valid browser keys

    @property
    def is_empty(self) -> bool:
        """Return whether no key was ever made, so that callers of this machine need none.

        A revoked key counts: the door must not open because its last key was revoked.
        """
        return not self._own_keys and not self._rows

    def find(self, token: bytes) -> Caller | None:
        """Return who holds a key; None when it is not valid.

        Every comparison takes the same time for every wrong key, and all are made.
        """
        digest, found = digest_of(token), None
        for own in self._own_keys:
            if hmac.compare_digest(own, token):
                found = self._own
        for known, caller in self._callers:
            if hmac.compare_digest(known, digest):
                found = caller
        return found

    def refresh(self) -> None:
        """Read the ledger's keys; raise Unavailable or LedgerFailed, and keep the known ones."""
        rows = tuple(self._read())
        if rows != self._rows:
            valid = [key for key in rows if key.revoked_at is None]
            self._callers = tuple((key.digest, _caller(key)) for key in valid)
            self.origins = frozenset().union(*(key.origins for key in valid))
            self._rows = rows


def _caller(key: ApiKey) -> Caller:
    return Caller(name=key.name, roles=frozenset(key.roles), origins=frozenset(key.origins))


def _encodings(own_key: str) -> tuple[bytes, ...]:
    """Return a key in UTF-8 and in Latin-1.

    curl sends letters beyond ASCII in UTF-8, browsers and Python's requests in Latin-1.
    """
    in_utf = key_bytes(own_key)
    try:
        in_latin = in_utf.decode("utf-8").encode("latin-1")
    except UnicodeError:  # it has letters beyond Latin-1, or is not valid UTF-8
        in_latin = in_utf
    return tuple({in_utf, in_latin})
