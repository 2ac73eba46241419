"""The panel: the users on whom models are judged and never trained, chosen by a keyed hash.

Somebody who chooses ids and knows the hash could keep poison out of the panel, or flood it. So the
hash is keyed with a secret of the installation. Only the id of the key is ever stored. The journal
and the ledger are not known here.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

PLAIN = ""  # the key id of panels from before there was a secret: a plain sha256 of the user id


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The users whose hash, read as a fraction, is below `share`.

    `key` is the id of `secret`, which is never shown.
    """

    share: float
    key: str = PLAIN
    secret: str = field(default="", repr=False)

    def holds(self, user_id: str) -> bool:
        """Return whether a user belongs to the panel.

        The panel of a smaller share under the same key is a subset of this one.
        """
        return self.fraction(user_id) < self.share

    def fraction(self, user_id: str) -> float:
        """Return the user's hash as a fraction of its range."""
        text = user_id.encode()
        if self.key == PLAIN:
            digest = hashlib.sha256(text).digest()
        else:
            digest = hmac.digest(self.secret.encode(), text, "sha256")
        return int.from_bytes(digest) / 2**256


def key_id(secret: str) -> str:
    """Return the id by which manifests refer to a secret; it does not reveal the secret."""
    return hashlib.sha256(f"panel key {secret}".encode()).hexdigest()[:12]
