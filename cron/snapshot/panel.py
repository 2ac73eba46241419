"""The panel: the users who are judged by and never trained on, told by a keyed hash of their id.

Knows ids and a secret; neither the journal nor the ledger. Whoever chooses ids and knew the hash
could keep poison out of the panel or flood it, so the hash is keyed with a secret of the
installation. Only the key's id is ever written down.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

PLAIN = ""  # the key id of panels from before there was a secret: a plain sha256 of the user id


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The users whose hash, read as a fraction, lies below `share`. `key` is the id of `secret`, which is never shown."""

    share: float
    key: str = PLAIN
    secret: str = field(default="", repr=False)

    def holds(self, user_id: str) -> bool:
        """Tell whether a user belongs to the panel. The panel of a smaller share under the same key is a part of this one."""
        return self.fraction(user_id) < self.share

    def fraction(self, user_id: str) -> float:
        """Return the user's hash as a fraction of its range."""
        text = user_id.encode()
        digest = (
            hashlib.sha256(text)
            if self.key == PLAIN
            else hmac.new(self.secret.encode(), text, hashlib.sha256)
        )
        return int.from_bytes(digest.digest()) / 2**256


def key_id(secret: str) -> str:
    """Return the name by which lineage refers to a secret without telling it."""
    return hashlib.sha256(f"panel key {secret}".encode()).hexdigest()[:12]
