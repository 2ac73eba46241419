"""Keyed hashes: how a forgotten user, and the ids of their events, are still recognised.

The key is the installation's own and is kept in the ledger, so that a list of forgotten users says
nothing to somebody who has that list and guesses ids, but not the ledger.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

_NUM_HEX = 40  # 160 bits
_ERASED = "erased:"


class UserKeys:
    """Hashes ids under one key, which is read when it is first needed."""

    def __init__(self, load_key: Callable[[], bytes]) -> None:
        self._load_key = load_key
        self._key = b""

    def of_user(self, user_id: str) -> str:
        """Return the key of a user."""
        return self._hash("user", user_id)

    def of_event(self, event_id: str) -> str:
        """Return what stands in place of the id of an erased event; what stands there already stays."""
        return event_id if event_id.startswith(_ERASED) else _ERASED + self._hash("event", event_id)

    def _hash(self, kind: str, text: str) -> str:
        if not self._key:
            self._key = self._load_key()
        return hmac.digest(self._key, f"{kind}\0{text}".encode(), "sha256").hex()[:_NUM_HEX]


def unkeyed(user_id: str) -> str:
    """Return a hash without a key, for histories that belong to no ledger: those of tests and measurements."""
    return hashlib.sha256(user_id.encode()).hexdigest()[:_NUM_HEX]
