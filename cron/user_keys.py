"""Keyed hashes that identify forgotten users, and their events, without their ids.

The key belongs to the installation and is stored in the ledger. A list of forgotten users therefore
tells nothing to somebody who has the list and guesses ids, but does not have the ledger.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

_NUM_HEX = 40  # 160 bits
_ERASED = "erased:"


class UserKeys:
    """Hashes ids with one key, which is read at the first use."""

    def __init__(self, load_key: Callable[[], bytes]) -> None:
        self._load_key = load_key
        self._key = b""

    def of_user(self, user_id: str) -> str:
        """Return the key of a user."""
        return self._hash("user", user_id)

    def of_event(self, event_id: str) -> str:
        """Return the replacement for an erased event's id; a replacement is returned unchanged."""
        return event_id if event_id.startswith(_ERASED) else _ERASED + self._hash("event", event_id)

    def _hash(self, kind: str, text: str) -> str:
        if not self._key:
            self._key = self._load_key()
        return hmac.digest(self._key, f"{kind}\0{text}".encode(), "sha256").hex()[:_NUM_HEX]


def hash_without_key(user_id: str) -> str:
    """Return a hash without a key, for histories without a ledger: tests and benches."""
    return hashlib.sha256(user_id.encode()).hexdigest()[:_NUM_HEX]
