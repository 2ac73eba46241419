"""What the rules are, as a digest: other rules or words make another writer."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_ROOMS = ("verifier", "wording")


@cache
def rules_digest() -> str:
    """Return the SHA-256 of the code of the rules and of the words that they know."""
    return digest_of_rules(_PACKAGE)


def digest_of_rules(package: Path) -> str:
    """Return the same for the rules in a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for room in _ROOMS for path in (package / room).glob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
